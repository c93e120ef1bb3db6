package main

import (
	"context"
	"fmt"
	"os"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/utils"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	controller = "kustomize-controller"
	group      = "kustomize.toolkit.fluxcd.io"
)

func apply(ctx context.Context, name string) error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	cluster, err := client.New(config, client.Options{})
	if err != nil {
		return err
	}
	objects, err := utils.ReadObjects(os.Stdin)
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		return fmt.Errorf("nothing to apply")
	}
	manager := ssa.NewResourceManager(cluster, nil, ssa.Owner{Field: controller, Group: group})
	namespace := objects[0].GetNamespace()
	manager.SetOwnerLabels(objects, name, namespace)
	changes, err := manager.ApplyAll(ctx, objects, options())
	if err != nil {
		return err
	}
	for _, change := range changes.Entries {
		fmt.Println(change)
	}
	return prune(ctx, cluster, manager, name, namespace, objects)
}

// What kustomize-controller sets. The managers named here lose what they own to it: it undoes what somebody
// did by hand. A name is a prefix.
func options() ssa.ApplyOptions {
	options := ssa.DefaultApplyOptions()
	options.Cleanup = ssa.ApplyCleanupOptions{
		Annotations: []string{"kubectl.kubernetes.io/last-applied-configuration"},
		FieldManagers: []ssa.FieldManager{
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationApply},
			{Name: "kubectl", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: "before-first-apply", OperationType: metav1.ManagedFieldsOperationUpdate},
			{Name: controller, OperationType: metav1.ManagedFieldsOperationUpdate},
		},
		Exclusions: map[string]string{group + "/ssa": "Merge"},
	}
	return options
}

// The kinds of what was applied stand for the inventory that Flux keeps.
func prune(
	ctx context.Context, cluster client.Client, manager *ssa.ResourceManager,
	name, namespace string, applied []*unstructured.Unstructured,
) error {
	kept := map[string]bool{}
	kinds := map[string]*unstructured.UnstructuredList{}
	for _, object := range applied {
		kept[object.GetKind()+"/"+object.GetName()] = true
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(object.GroupVersionKind())
		kinds[object.GetKind()] = list
	}
	owned := manager.GetOwnerLabels(name, namespace)
	var stale []*unstructured.Unstructured
	for _, list := range kinds {
		if err := cluster.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels(owned)); err != nil {
			return err
		}
		for n := range list.Items {
			if !kept[list.Items[n].GetKind()+"/"+list.Items[n].GetName()] {
				stale = append(stale, &list.Items[n])
			}
		}
	}
	changes, err := manager.DeleteAll(ctx, stale, ssa.DeleteOptions{
		PropagationPolicy: metav1.DeletePropagationBackground,
		Inclusions:        owned,
		Exclusions: map[string]string{
			group + "/prune":     "disabled",
			group + "/reconcile": "disabled",
			group + "/ssa":       "Ignore",
		},
	})
	if err != nil {
		return err
	}
	for _, change := range changes.Entries {
		fmt.Println(change)
	}
	return nil
}
