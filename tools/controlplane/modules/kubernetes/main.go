// Command controlplane is one program that is five: etcd, kube-apiserver,
// kube-controller-manager, kube-scheduler and kubectl.
//
// They share most of their packages, so one binary links once where five would
// link five times, and takes a third of the disk. It is called by a link that
// carries a component's name, or with that name as its first argument.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// components maps a program's name to its main function. A main reads os.Args
// as the stand-alone program would, and may end the process itself.
var components = map[string]func(){
	"etcd":                    etcd,
	"kube-apiserver":          kubeAPIServer,
	"kube-controller-manager": kubeControllerManager,
	"kube-scheduler":          kubeScheduler,
	"kubectl":                 kubectl,
}

func main() {
	if run, ok := components[filepath.Base(os.Args[0])]; ok {
		run()
		return
	}
	if len(os.Args) > 1 {
		if run, ok := components[os.Args[1]]; ok {
			os.Args = os.Args[1:]
			run()
			return
		}
	}
	names := make([]string, 0, len(components))
	for name := range components {
		names = append(names, name)
	}
	sort.Strings(names)
	fmt.Fprintf(os.Stderr, "usage: controlplane COMPONENT [ARGUMENTS]\ncomponents: %s\n", strings.Join(names, ", "))
	os.Exit(2)
}
