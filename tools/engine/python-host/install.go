// Joins the package main of the language host when tools/engine.py builds it.

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/pulumi/pulumi/sdk/v3/python"
)

var virtualenvOption = regexp.MustCompile(`(?m)^[^#\n]*\bvirtualenv:\s*["']?([^"'\s#,}]+)`)

// installInto installs what `pulumi install` asks for. Engines of today tell the host no virtual
// environment when they start it; this host would take that for the project's own folder, and make
// an environment over it. So the option is read from the project's file.
func installInto(
	ctx context.Context, root, virtualenv string, show bool, stdout, stderr io.Writer,
) error {
	if virtualenv == "" {
		virtualenv = optionOf(root)
	}
	if virtualenv == "" {
		fmt.Fprintln(stdout, "The project names no virtual environment: nothing is installed.")
		return nil
	}
	if !filepath.IsAbs(virtualenv) {
		virtualenv = filepath.Join(root, virtualenv)
	}
	_, missing := os.Stat(filepath.Join(root, "requirements.txt"))
	if missing != nil && python.IsVirtualEnv(virtualenv) {
		fmt.Fprintf(stdout, "%s is there, and no requirements.txt: nothing is installed.\n", virtualenv)
		return nil
	}
	return python.InstallDependenciesWithWriters(ctx, root, virtualenv, show, stdout, stderr)
}

func optionOf(root string) string {
	for _, name := range []string{"Pulumi.yaml", "Pulumi.yml", "PulumiPolicy.yaml"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			continue
		}
		if found := virtualenvOption.FindSubmatch(text); found != nil {
			return string(found[1])
		}
	}
	return ""
}
