// Prints what kstatus thinks of objects: Flux, Argo CD's kstatus mode and `kubectl wait`-like tools decide
// by it when an application is ready. Reads objects as JSON on standard input, one document after the
// other, each an object or a list; prints a line of JSON for each object, in their order.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

type verdict struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	Status    string `json:"status"` // InProgress, Failed, Current, Terminating, NotFound, Unknown
	Message   string `json:"message"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "kstatus:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	documents, lines := json.NewDecoder(in), json.NewEncoder(out)
	for {
		var document json.RawMessage
		if err := documents.Decode(&document); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var read unstructured.Unstructured // reads numbers as Kubernetes does
		if err := read.UnmarshalJSON(document); err != nil {
			return err
		}
		if !read.IsList() {
			if err := print(lines, &read); err != nil {
				return err
			}
			continue
		}
		list, err := read.ToList()
		if err != nil {
			return err
		}
		for n := range list.Items {
			if err := print(lines, &list.Items[n]); err != nil {
				return err
			}
		}
	}
}

func print(lines *json.Encoder, object *unstructured.Unstructured) error {
	result, err := status.Compute(object)
	if err != nil {
		return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return lines.Encode(verdict{
		Kind:      object.GetKind(),
		Namespace: object.GetNamespace(),
		Name:      object.GetName(),
		Status:    string(result.Status),
		Message:   result.Message,
	})
}
