// A minimal controller-runtime operator: the control of the benchmarks.
//
// It does what the hub does to a settled-but-outdated Integration and nothing else: on a watch
// event it reads the object from its cache and, if status.observedGeneration is behind, writes
// the status by server-side apply with the resourceVersion it saw. The body comes from a file
// that the benchmark took from a real write of the hub, so both send the same bytes but for
// name, resourceVersion and generation.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"go.uber.org/zap/zapcore"
)

var integration = schema.GroupVersionKind{Group: "integrationhub.io", Version: "v1alpha1", Kind: "Integration"}

type reconciler struct {
	client client.Client
	status map[string]any
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(integration)
	if err := r.client.Get(ctx, request.NamespacedName, object); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	observed, _, _ := unstructured.NestedInt64(object.Object, "status", "observedGeneration")
	if observed == object.GetGeneration() {
		return ctrl.Result{}, nil
	}
	status := make(map[string]any, len(r.status))
	for key, value := range r.status {
		status[key] = value
	}
	status["observedGeneration"] = object.GetGeneration()
	body, err := json.Marshal(map[string]any{
		"apiVersion": integration.GroupVersion().String(),
		"kind":       integration.Kind,
		"metadata": map[string]any{
			"name": object.GetName(), "namespace": object.GetNamespace(),
			"resourceVersion": object.GetResourceVersion(),
		},
		"status": status,
	})
	if err != nil {
		return ctrl.Result{}, err
	}
	err = r.client.Status().Patch(ctx, object, client.RawPatch(types.ApplyPatchType, body),
		client.FieldOwner("benchmark-control"), client.ForceOwnership)
	if apierrors.IsConflict(err) {
		return ctrl.Result{RequeueAfter: 10 * time.Millisecond}, nil
	}
	return ctrl.Result{}, err
}

func main() {
	statusFile := flag.String("status", "", "JSON file with the status to write")
	namespace := flag.String("namespace", "", "namespace of the objects")
	leaseNamespace := flag.String("lease-namespace", "", "namespace of the Lease")
	workers := flag.Int("workers", 12, "objects reconciled at the same time")
	flag.Parse()
	ctrl.SetLogger(zap.New(zap.Level(zapcore.ErrorLevel)))
	body, err := os.ReadFile(*statusFile)
	check(err)
	control := &reconciler{}
	check(json.Unmarshal(body, &control.status))
	config := ctrl.GetConfigOrDie()
	config.QPS, config.Burst = 10_000, 10_000
	manager, err := ctrl.NewManager(config, ctrl.Options{
		LeaderElection:          true,
		LeaderElectionID:        "integration-hub",
		LeaderElectionNamespace: *leaseNamespace,
		Metrics:                 server.Options{BindAddress: "0"},
		Cache: cache.Options{
			DefaultNamespaces: map[string]cache.Config{*namespace: {}},
			DefaultTransform:  cache.TransformStripManagedFields(),
		},
		Client: client.Options{Cache: &client.CacheOptions{Unstructured: true}},
	})
	check(err)
	control.client = manager.GetClient()
	watched := &unstructured.Unstructured{}
	watched.SetGroupVersionKind(integration)
	check(ctrl.NewControllerManagedBy(manager).For(watched).
		WithOptions(controller.Options{MaxConcurrentReconciles: *workers}).Complete(control))
	check(manager.Start(ctrl.SetupSignalHandler()))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
