package hfoauth_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The exported surface is listed in api/, one file per package, so that no change
// to it goes unnoticed. After an intended change, run make api.
func TestExportedSurface(t *testing.T) {
	surfaces := map[string]string{}
	for _, dir := range importablePackages(t) {
		name, lines := exportedSurface(t, dir)
		surfaces[name+".txt"] = strings.Join(lines, "\n") + "\n"
	}
	if os.Getenv("UPDATE_API") != "" {
		if err := os.RemoveAll("api"); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir("api", 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range surfaces {
			if err := os.WriteFile(filepath.Join("api", name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, got := range surfaces {
		recorded, err := os.ReadFile(filepath.Join("api", name))
		if err != nil {
			t.Errorf("%v; run make api", err)
			continue
		}
		for _, line := range difference(string(recorded), got) {
			t.Errorf("api/%s: %s; if that is intended, run make api", name, line)
		}
	}
	recorded, err := filepath.Glob("api/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range recorded {
		if _, exists := surfaces[filepath.Base(file)]; !exists {
			t.Errorf("%s belongs to no package; run make api", file)
		}
	}
}

// importablePackages returns the folders of the packages of this module that
// other modules can import and use.
func importablePackages(t *testing.T) []string {
	t.Helper()
	var dirs []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		switch base := entry.Name(); {
		case path == ".":
		case base == "internal", base == "cmd", base == "examples", base == "testdata",
			strings.HasPrefix(base, "."), strings.HasPrefix(base, "_"):
			return fs.SkipDir
		}
		if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil && path != "." {
			return fs.SkipDir
		}
		if sources, _ := filepath.Glob(filepath.Join(path, "*.go")); len(sources) > 0 {
			dirs = append(dirs, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

// exportedSurface returns the name of a package and a sorted line for each
// thing it exports.
func exportedSurface(t *testing.T, dir string) (name string, lines []string) {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		name = file.Name.Name
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				lines = append(lines, funcSurface(decl)...)
			case *ast.GenDecl:
				lines = append(lines, genSurface(decl)...)
			}
		}
	}
	slices.Sort(lines)
	return name, slices.Compact(lines)
}

func funcSurface(decl *ast.FuncDecl) []string {
	if !decl.Name.IsExported() {
		return nil
	}
	if decl.Recv == nil {
		return []string{"func " + decl.Name.Name + signature(decl.Type)}
	}
	receiver := source(decl.Recv.List[0].Type)
	if !ast.IsExported(strings.TrimPrefix(receiver, "*")) {
		return nil
	}
	return []string{fmt.Sprintf("method (%s) %s%s", receiver, decl.Name.Name, signature(decl.Type))}
}

func genSurface(decl *ast.GenDecl) []string {
	var lines []string
	for _, spec := range decl.Specs {
		switch spec := spec.(type) {
		case *ast.TypeSpec:
			if spec.Name.IsExported() {
				lines = append(lines, typeSurface(spec)...)
			}
		case *ast.ValueSpec:
			for i, name := range spec.Names {
				if !name.IsExported() {
					continue
				}
				line := decl.Tok.String() + " " + name.Name
				if spec.Type != nil {
					line += " " + source(spec.Type)
				}
				if decl.Tok == token.CONST && i < len(spec.Values) {
					line += " = " + source(spec.Values[i])
				}
				lines = append(lines, line)
			}
		}
	}
	return lines
}

func typeSurface(spec *ast.TypeSpec) []string {
	head := "type " + spec.Name.Name
	switch body := spec.Type.(type) {
	case *ast.StructType:
		return append([]string{head + " struct"}, fieldSurface(head+" struct, ", body.Fields)...)
	case *ast.InterfaceType:
		return append([]string{head + " interface"}, fieldSurface(head+" interface, ", body.Methods)...)
	case *ast.FuncType:
		return []string{head + " func" + signature(body)}
	}
	if spec.Assign.IsValid() {
		head += " ="
	}
	return []string{head + " " + source(spec.Type)}
}

func fieldSurface(head string, fields *ast.FieldList) []string {
	var lines []string
	for _, field := range fields.List {
		if len(field.Names) == 0 {
			lines = append(lines, head+"embedded "+source(field.Type))
		}
		for _, name := range field.Names {
			if !name.IsExported() {
				continue
			}
			if method, ok := field.Type.(*ast.FuncType); ok && strings.Contains(head, " interface") {
				lines = append(lines, head+name.Name+signature(method))
				continue
			}
			line := head + name.Name + " " + source(field.Type)
			if field.Tag != nil {
				line += " " + field.Tag.Value
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// signature returns a function's parameters and results without their names.
func signature(f *ast.FuncType) string {
	text := "(" + strings.Join(types(f.Params), ", ") + ")"
	switch results := types(f.Results); len(results) {
	case 0:
	case 1:
		text += " " + results[0]
	default:
		text += " (" + strings.Join(results, ", ") + ")"
	}
	return text
}

func types(fields *ast.FieldList) []string {
	var list []string
	if fields == nil {
		return nil
	}
	for _, field := range fields.List {
		for range max(1, len(field.Names)) {
			list = append(list, source(field.Type))
		}
	}
	return list
}

// source returns an expression on one line.
func source(expr ast.Expr) string {
	if f, ok := expr.(*ast.FuncType); ok {
		return "func" + signature(f)
	}
	var text bytes.Buffer
	if err := printer.Fprint(&text, token.NewFileSet(), expr); err != nil {
		panic(err)
	}
	return strings.Join(strings.Fields(text.String()), " ")
}

// difference describes how two sorted listings differ.
func difference(recorded, got string) []string {
	was, is := strings.Split(recorded, "\n"), strings.Split(got, "\n")
	var lines []string
	for _, line := range was {
		if !slices.Contains(is, line) {
			lines = append(lines, "removed: "+line)
		}
	}
	for _, line := range is {
		if !slices.Contains(was, line) {
			lines = append(lines, "added: "+line)
		}
	}
	return lines
}
