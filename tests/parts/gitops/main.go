// Gitops does, for the tests, what the two GitOps controllers do to our objects, with their own libraries:
//
//	gitops health SCRIPT   runs a health check in the Lua interpreter of Argo CD, with the libraries that it
//	                       opens. Reads a JSON list of objects, prints the list of what the script returned.
//	gitops apply NAME      applies manifests as a Flux Kustomization NAME does (kustomize-controller with its
//	                       defaults), then prunes what it applied before and is not among them.
//
// Manifests come on standard input; the cluster is the one of KUBECONFIG.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	lua "github.com/yuin/gopher-lua"
)

// As long as any one call may take.
const deadline = 2 * time.Minute

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gitops:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	switch {
	case len(arguments) == 2 && arguments[0] == "health":
		return health(arguments[1])
	case len(arguments) == 2 && arguments[0] == "apply":
		return apply(ctx, arguments[1])
	default:
		return fmt.Errorf("usage: gitops health SCRIPT | gitops apply NAME")
	}
}

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func health(path string) error {
	script, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var objects []map[string]any
	if err := json.NewDecoder(os.Stdin).Decode(&objects); err != nil {
		return err
	}
	verdicts := make([]verdict, 0, len(objects))
	for n, object := range objects {
		found, err := healthOf(object, string(script))
		if err != nil {
			return fmt.Errorf("object %d: %w", n, err)
		}
		verdicts = append(verdicts, found)
	}
	return json.NewEncoder(os.Stdout).Encode(verdicts)
}

// A state of its own for each object, and of the standard libraries only package, base and table: Argo CD
// opens no others unless an administrator says so.
func healthOf(object map[string]any, script string) (verdict, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for name, open := range map[string]lua.LGFunction{
		lua.LoadLibName: lua.OpenPackage,
		lua.BaseLibName: lua.OpenBase,
		lua.TabLibName:  lua.OpenTable,
	} {
		call := lua.P{Fn: state.NewFunction(open), Protect: true}
		if err := state.CallByParam(call, lua.LString(name)); err != nil {
			return verdict{}, err
		}
	}
	state.SetGlobal("obj", value(state, object))
	if err := state.DoString(script); err != nil {
		return verdict{}, err
	}
	table, ok := state.Get(-1).(*lua.LTable)
	if !ok {
		return verdict{}, fmt.Errorf("the script returned a %s, not a table", state.Get(-1).Type())
	}
	return verdict{
		Status:  lua.LVAsString(table.RawGetString("status")),
		Message: lua.LVAsString(table.RawGetString("message")),
	}, nil
}

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case float64:
		return lua.LNumber(from)
	case string:
		return lua.LString(from)
	case []any:
		list := state.CreateTable(len(from), 0)
		for _, item := range from {
			list.Append(value(state, item))
		}
		return list
	case map[string]any:
		table := state.CreateTable(0, len(from))
		for key, item := range from {
			table.RawSetString(key, value(state, item))
		}
		return table
	default:
		return lua.LNil
	}
}
