package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/llmsweep/llmsweep/harness/kubectl"
	"github.com/llmsweep/llmsweep/scripts/cluster"
)

const (
	callLimit   = 30 * time.Second // of one call of kubectl
	removeLimit = time.Minute      // of one that waits until a pod is gone
	pollPod     = time.Second

	managedBy = "llmsweep-download" // a label of our pods
)

// newPodName is a name that no other download uses: each has a pod of its own, and ends no other's.
func newPodName() string {
	return cluster.AccessPodName + "-" + strings.ToLower(rand.Text()[:5])
}

// checkVolume asks whether namespace and claim exist. Who may not see claims may still use one: the pod will tell.
func (d *download) checkVolume(ctx context.Context) error {
	_, err := d.tool.Output(ctx, d.namespace, callLimit, "get", "persistentvolumeclaim", d.pvc, "--output", "name")
	var failure *kubectl.Error
	if !errors.As(err, &failure) {
		return err
	}
	switch failure.Kind {
	case kubectl.Forbidden:
		return nil
	case kubectl.NotFound:
		if d.tool.NamespaceMissing(ctx, d.namespace) {
			return fmt.Errorf("namespace %q: not found: list those there are with: kubectl get namespaces", d.namespace)
		}
		return d.noClaim()
	}
	return err
}

func (d *download) noClaim() error {
	return fmt.Errorf("pvc %q: not found in namespace %q: create it with scripts/cluster/setup.sh, or name another with -pvc", d.pvc, d.namespace)
}

// startPod starts the access pod and waits until it is ready.
func (d *download) startPod(ctx context.Context) error {
	manifest, err := cluster.Access{Name: d.pod, Namespace: d.namespace, Image: d.image, Claim: d.pvc, ManagedBy: managedBy}.Pod()
	if err != nil {
		return err
	}
	d.say("starting the access pod %s", d.pod)
	// Not ended by ctx: the cluster could make the pod after we looked for what is to be removed.
	err = d.tool.Do(context.WithoutCancel(ctx), kubectl.Command{
		Namespace: d.namespace, Args: []string{"create", "-f", "-"}, Stdin: bytes.NewReader(manifest), Limit: callLimit,
	})
	if err != nil {
		return fmt.Errorf("starting the access pod: %w", err)
	}
	return d.awaitPod(ctx)
}

// removePod removes the access pod, also when the run was stopped.
func (d *download) removePod() error {
	err := d.tool.Do(context.Background(), kubectl.Command{
		Namespace: d.namespace, Limit: removeLimit,
		Args: []string{"delete", "pod", d.pod, "--ignore-not-found", "--now", "--timeout", (removeLimit / 2).String()},
	})
	if err != nil {
		return fmt.Errorf("the access pod may be left (%w): remove it with: %s", err, d.removal())
	}
	return nil
}

// removal is the command that removes the pod by hand.
func (d *download) removal() string {
	return fmt.Sprintf("kubectl delete pod %s -n %s", d.pod, d.namespace)
}

// awaitPod waits until the access pod is ready; if it does not become so, the error says why.
func (d *download) awaitPod(ctx context.Context) error {
	start := time.Now()
	said := ""
	for {
		text, err := d.tool.Output(ctx, d.namespace, callLimit, "get", "pod", d.pod, "--output", "json")
		if err != nil {
			return fmt.Errorf("waiting for the access pod: %w", err)
		}
		state, err := d.readPod(text)
		switch {
		case err != nil:
			return fmt.Errorf("the access pod %w", err)
		case state == "":
			return nil
		case time.Since(start) >= d.timeout:
			return fmt.Errorf("the access pod is not ready after %v (-timeout): it %s", d.timeout, state)
		}
		if state != said {
			said = state
			d.say("waiting for the access pod, %v at most (-timeout): it %s", d.timeout, state)
		}
		select {
		case <-time.After(min(pollPod, d.timeout)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// podStatus is what kubectl get pod -o json says of a pod's state.
type podStatus struct {
	Status struct {
		Phase, Reason, Message string
		Conditions             []struct{ Type, Status, Reason, Message string }
		ContainerStatuses      []struct {
			Image string
			State struct {
				Waiting    *struct{ Reason, Message string }
				Terminated *struct {
					Reason, Message string
					ExitCode        int
				}
			}
		}
	}
}

// readPod says what a pod still waits for, "" when it is ready. The error says why it never will be.
func (d *download) readPod(text []byte) (state string, err error) {
	var pod podStatus
	if err := json.Unmarshal(text, &pod); err != nil {
		return "", fmt.Errorf("is described in no JSON: %w", err)
	}
	for _, c := range pod.Status.ContainerStatuses {
		switch waiting, ended := c.State.Waiting, c.State.Terminated; {
		case ended != nil:
			return "", d.containerEnded(c.Image, fmt.Sprintf("%s, exit code %d", ended.Reason, ended.ExitCode), ended.Message)
		case waiting != nil:
			return d.containerWaits(c.Image, waiting.Reason, waiting.Message)
		}
	}
	if phase := pod.Status.Phase; phase == "Failed" || phase == "Succeeded" {
		return "", fmt.Errorf("ended: %s", join(pod.Status.Reason, pod.Status.Message))
	}
	for _, c := range pod.Status.Conditions {
		switch {
		case c.Type == "Ready" && c.Status == "True":
			return "", nil
		case c.Type == "PodScheduled" && c.Status == "False":
			if strings.Contains(c.Message, fmt.Sprintf("persistentvolumeclaim %q not found", d.pvc)) {
				return "", fmt.Errorf("has no volume: %w", d.noClaim())
			}
			state = "finds no node: " + join(c.Reason, c.Message)
		}
	}
	if state == "" {
		state = "is " + strings.ToLower(join(pod.Status.Phase, pod.Status.Message))
	}
	return state, nil
}

// containerEnded is the error of an access pod whose program ended, or could not be started.
func (d *download) containerEnded(image, reason, message string) error {
	if strings.Contains(message, "no such file or directory") || strings.Contains(message, "executable file not found") {
		return fmt.Errorf("cannot start: image %q has no program /llmsweep: pass llmsweep's own image with -image (%s)", image, join(reason, message))
	}
	return fmt.Errorf("ended: %s", join(reason, message))
}

// containerWaits tells what a container waits for from what it waits for in vain.
func (d *download) containerWaits(image, reason, message string) (string, error) {
	switch reason {
	case "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable":
		return "", fmt.Errorf("cannot start: image %q cannot be pulled (%s): name another with -image, or give the namespace's default service account a pull secret",
			image, join(reason, message))
	case "CreateContainerConfigError", "CreateContainerError", "RunContainerError", "CrashLoopBackOff":
		return "", d.containerEnded(image, reason, message)
	case "ContainerCreating":
		return "waits for its volume and its image; a ReadWriteOnce volume can be mounted on one node at a time, and a benchmark may hold it", nil
	}
	return "waits: " + join(reason, message), nil
}

// join puts a reason and its explanation together, on one line.
func join(reason, message string) string {
	return strings.TrimSuffix(strings.Join(strings.Fields(reason+": "+message), " "), ":")
}

// noFolder is what results tar says of a folder that it cannot find. Of a file within, it says the name before that.
var noFolder = regexp.MustCompile(`packing "[^"]*": open [^:]*: no such file or directory`)

// explainStream says why the program in the pod failed.
func (d *download) explainStream(err error) error {
	var failure *kubectl.Error
	switch {
	case !errors.As(err, &failure):
		return err
	case failure.Kind == kubectl.NoProgram:
		return fmt.Errorf("the access pod cannot pack: %w; pass it with -image", err)
	case failure.Kind == kubectl.Other && noFolder.MatchString(err.Error()):
		return fmt.Errorf("folder %q: not found on volume %q: -folder %s/results fetches all results", d.folder, d.pvc, cluster.VolumeMount)
	}
	return err
}
