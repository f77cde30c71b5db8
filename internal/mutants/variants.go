package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// Compiling the tests of a package takes longer than most of them run. So mutants
// that change one function of a package are compiled together: the function calls
// its variant for the mutant whose number is in the environment.
const numberVariable = "HFOAUTH_MUTANT"

// variants are the mutants of a package that are compiled together, by number.
type variants struct {
	dir     string // of the package
	overlay string
	numbers map[*mutant]int
}

// newVariants writes the sources of a package with the variants of mutants, and
// an overlay that names them. It leaves out mutants that change anything but one
// function.
func newVariants(root, temp, dir string, mutants []*mutant) (*variants, error) {
	v := &variants{dir: dir, numbers: map[*mutant]int{}}
	files := map[string]*file{}
	replace := map[string]string{}
	folder, err := os.MkdirTemp(temp, "")
	if err != nil {
		return nil, err
	}
	write := func(name, text string) error {
		path := filepath.Join(folder, filepath.Base(name))
		replace[filepath.Join(root, name)] = path
		return os.WriteFile(path, []byte(text), 0o644)
	}
	pkg := ""
	for i, m := range mutants {
		source, err := os.ReadFile(filepath.Join(root, m.file))
		if err != nil {
			return nil, err
		}
		if files[m.file] == nil {
			if files[m.file], err = parseFile(string(source)); err != nil {
				return nil, fmt.Errorf("%s: %w", m.file, err)
			}
			pkg = files[m.file].syntax.Name.Name
		}
		changed, err := m.apply(string(source))
		if err != nil {
			return nil, err
		}
		if files[m.file].add(i+1, m.place, changed) {
			v.numbers[m] = i + 1
		}
	}
	for name, f := range files {
		if err := write(name, f.text()); err != nil {
			return nil, err
		}
	}
	number := fmt.Sprintf("package %s\n\nimport (\n\t\"os\"\n\t\"strconv\"\n)\n\n"+
		"var mutantNumber, _ = strconv.Atoi(os.Getenv(%q))\n", pkg, numberVariable)
	if err := write(filepath.Join(dir, "mutant_number.go"), number); err != nil {
		return nil, err
	}
	description, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return nil, err
	}
	v.overlay = filepath.Join(folder, "overlay.json")
	return v, os.WriteFile(v.overlay, description, 0o644)
}

// file is a source file with variants of its functions.
type file struct {
	source   string
	fset     *token.FileSet
	syntax   *ast.File
	variants map[*ast.FuncDecl][]variant
}

type variant struct {
	number int
	place  string // in the catalog
	text   string // of the changed function
}

func parseFile(source string) (*file, error) {
	f := &file{source: source, fset: token.NewFileSet(), variants: map[*ast.FuncDecl][]variant{}}
	var err error
	f.syntax, err = parser.ParseFile(f.fset, "", source, parser.SkipObjectResolution)
	return f, err
}

func (f *file) offset(pos token.Pos) int { return f.fset.Position(pos).Offset }

func (f *file) textOf(n ast.Node) string { return f.source[f.offset(n.Pos()):f.offset(n.End())] }

// add adds the variant of a mutant and reports whether the mutant changes the body
// of one function and nothing else.
func (f *file) add(number int, place, source string) bool {
	changed, err := parseFile(source)
	if err != nil || len(changed.syntax.Decls) != len(f.syntax.Decls) {
		return false
	}
	found := -1
	for i, d := range f.syntax.Decls {
		if f.textOf(d) != changed.textOf(changed.syntax.Decls[i]) {
			if found >= 0 {
				return false
			}
			found = i
		}
	}
	if found < 0 {
		return false
	}
	before, ok := f.syntax.Decls[found].(*ast.FuncDecl)
	if !ok || before.Type.TypeParams != nil || before.Name.Name == "init" {
		return false
	}
	after, ok := changed.syntax.Decls[found].(*ast.FuncDecl)
	if !ok || f.head(before) != changed.head(after) {
		return false
	}
	f.variants[before] = append(f.variants[before], variant{number, place, changed.textOf(after)})
	return true
}

// head returns a function's text up to its body.
func (f *file) head(d *ast.FuncDecl) string {
	return f.source[f.offset(d.Pos()):f.offset(d.Body.Pos())]
}

// text returns the source in which functions with variants are renamed, followed
// by the functions that choose and by the variants. The compiler reports an error
// in a variant at its place in the catalog.
func (f *file) text() string {
	var text, rest strings.Builder
	last := 0
	for _, d := range f.syntax.Decls {
		function, ok := d.(*ast.FuncDecl)
		if !ok || f.variants[function] == nil {
			continue
		}
		at := f.offset(function.Name.Pos())
		text.WriteString(f.source[last:at] + "original_")
		last = at
		f.writeChoice(&rest, function)
		for _, v := range f.variants[function] {
			start := at - f.offset(function.Pos())
			fmt.Fprintf(&rest, "\n//line %s\n%smutant%d_%s\n", v.place, v.text[:start], v.number, v.text[start:])
		}
	}
	return text.String() + f.source[last:] + "\n" + rest.String()
}

// writeChoice writes the function that calls the original or a variant.
func (f *file) writeChoice(out *strings.Builder, d *ast.FuncDecl) {
	var params, args []string
	for _, field := range d.Type.Params.List {
		for range max(1, len(field.Names)) {
			name := fmt.Sprint("p", len(params))
			params = append(params, name+" "+f.textOf(field.Type))
			if _, variadic := field.Type.(*ast.Ellipsis); variadic {
				name += "..."
			}
			args = append(args, name)
		}
	}
	receiver, call := "", ""
	if d.Recv != nil {
		receiver, call = "(r "+f.textOf(d.Recv.List[0].Type)+") ", "r."
	}
	results, after := "", "\n\t\treturn"
	if d.Type.Results != nil {
		var types []string
		for _, field := range d.Type.Results.List {
			for range max(1, len(field.Names)) {
				types = append(types, f.textOf(field.Type))
			}
		}
		results, call, after = "("+strings.Join(types, ", ")+") ", "return "+call, ""
	}
	list := strings.Join(args, ", ")
	fmt.Fprintf(out, "\nfunc %s%s(%s) %s{\n\tswitch mutantNumber {\n",
		receiver, d.Name.Name, strings.Join(params, ", "), results)
	for _, v := range f.variants[d] {
		fmt.Fprintf(out, "\tcase %d:\n\t\t%smutant%d_%s(%s)%s\n", v.number, call, v.number, d.Name.Name, list, after)
	}
	fmt.Fprintf(out, "\t}\n\t%soriginal_%s(%s)\n}\n", call, d.Name.Name, list)
}
