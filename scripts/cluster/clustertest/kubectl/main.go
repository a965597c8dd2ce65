// Command kubectl is the real one at a version that go.mod pins, for machines
// that have none:
//
//	(cd scripts/cluster/clustertest/kubectl && go build -o /usr/local/bin/kubectl .)
//
// It is a module of its own because hardly anybody needs to compile it.
package main

import (
	"os"

	"k8s.io/component-base/cli"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
)

func main() {
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
	os.Exit(0)
}
