package hfoauth_test

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var docLink = regexp.MustCompile(`\[\*?([a-z0-9]+\.)?[A-Z]\w*(\.[A-Z]\w*)?\]`)

// Every link of a doc comment leads somewhere, and no comment on a field has
// one: pkg.go.dev shows those as they are written.
func TestDocLinks(t *testing.T) {
	for _, dir := range importablePackages(t) {
		fset := token.NewFileSet()
		p, fields := docOf(t, fset, dir)
		for name, text := range docComments(p) {
			for _, block := range p.Parser().Parse(text).Content {
				for _, link := range docLink.FindAllString(plainText(block), -1) {
					t.Errorf("%s: %s: %s leads nowhere", dir, name, link)
				}
			}
		}
		for _, field := range fields {
			for _, link := range docLink.FindAllString(field.Text(), -1) {
				t.Errorf("%s: the comment on a field shows its brackets: %s", fset.Position(field.Pos()), link)
			}
		}
	}
}

// docOf returns the documentation of a package, and the comments inside its
// types and groups.
func docOf(t *testing.T, fset *token.FileSet, dir string) (*doc.Package, []*ast.CommentGroup) {
	t.Helper()
	sources, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	var inside []*ast.CommentGroup
	for _, source := range sources {
		if strings.HasSuffix(source, "_test.go") {
			continue
		}
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(fset, source, text, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
		ast.Inspect(file, func(n ast.Node) bool {
			if field, ok := n.(*ast.Field); ok {
				inside = append(inside, field.Doc, field.Comment)
			}
			if value, ok := n.(*ast.ValueSpec); ok {
				inside = append(inside, value.Doc, value.Comment)
			}
			return true
		})
	}
	p, err := doc.NewFromFiles(fset, files, "github.com/hfoauth/hfoauth/"+filepath.ToSlash(dir))
	if err != nil {
		t.Fatal(err)
	}
	var present []*ast.CommentGroup
	for _, group := range inside {
		if group != nil {
			present = append(present, group)
		}
	}
	return p, present
}

// docComments returns the doc comments of a package, by what they are about.
func docComments(p *doc.Package) map[string]string {
	comments := map[string]string{"package": p.Doc}
	add := func(funcs []*doc.Func) {
		for _, f := range funcs {
			comments[f.Recv+"."+f.Name] = f.Doc
		}
	}
	values := func(values []*doc.Value) {
		for _, v := range values {
			comments[strings.Join(v.Names, " ")] = v.Doc
		}
	}
	add(p.Funcs)
	values(append(p.Consts, p.Vars...))
	for _, typ := range p.Types {
		comments[typ.Name] = typ.Doc
		add(append(typ.Funcs, typ.Methods...))
		values(append(typ.Consts, typ.Vars...))
	}
	return comments
}

// plainText returns the text of a block that is no link and no code.
func plainText(block comment.Block) string {
	var text strings.Builder
	paragraph := func(content []comment.Text) {
		for _, part := range content {
			if plain, ok := part.(comment.Plain); ok {
				text.WriteString(string(plain))
			}
		}
	}
	switch block := block.(type) {
	case *comment.Paragraph:
		paragraph(block.Text)
	case *comment.Heading:
		paragraph(block.Text)
	case *comment.List:
		for _, item := range block.Items {
			for _, inner := range item.Content {
				text.WriteString(plainText(inner))
			}
		}
	}
	return text.String()
}
