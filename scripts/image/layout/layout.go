package main

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// The media types of the OCI image specification, version 1.
const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// descriptor points to a blob. Its size is in bytes.
type descriptor struct {
	MediaType string    `json:"mediaType"`
	Digest    string    `json:"digest"`
	Size      int       `json:"size"`
	Platform  *platform `json:"platform,omitempty"`
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

// manifest is the image of one platform.
type manifest struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Config        descriptor   `json:"config"`
	Layers        []descriptor `json:"layers"`
}

// index lists images, or one other index.
type index struct {
	SchemaVersion int          `json:"schemaVersion"`
	MediaType     string       `json:"mediaType"`
	Manifests     []descriptor `json:"manifests"`
}

// imageConfig is the document behind an image's identity.
type imageConfig struct {
	platform
	Config config `json:"config"`
	RootFS rootFS `json:"rootfs"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

// image puts the image of a source into the store.
func (s source) image(store blobs, added labels) (descriptor, error) {
	r, err := readDockerfile(filepath.Join(s.context, "Dockerfile"))
	if err != nil {
		return descriptor{}, err
	}
	maps.Copy(r.config.Labels, added)
	packed, diffID, err := r.layer(s.context)
	if err != nil {
		return descriptor{}, err
	}
	p := platform{Architecture: s.arch, OS: s.os}
	configured, err := store.addJSON(configType, imageConfig{platform: p, Config: r.config, RootFS: rootFS{"layers", []string{diffID}}})
	if err != nil {
		return descriptor{}, err
	}
	image, err := store.addJSON(manifestType, manifest{2, manifestType, configured, []descriptor{store.add(layerType, packed)}})
	image.Platform = &p
	return image, err
}

// blobs holds documents and layers by their digest.
type blobs struct{ data map[string][]byte }

func newBlobs() blobs { return blobs{data: map[string][]byte{}} }

func (b blobs) add(mediaType string, data []byte) descriptor {
	sum := sha256.Sum256(data)
	name := digest(sum[:])
	b.data[name] = data
	return descriptor{MediaType: mediaType, Digest: name, Size: len(data)}
}

func (b blobs) addJSON(mediaType string, document any) (descriptor, error) {
	data, err := json.Marshal(document)
	return b.add(mediaType, data), err
}

func digest(sum []byte) string { return "sha256:" + hex.EncodeToString(sum) }

// index puts the list of all platforms into the store.
func (b blobs) index(images []descriptor) (descriptor, error) {
	return b.addJSON(indexType, index{2, indexType, images})
}

// write writes the layout as a tar. The top names one thing only, the index of all platforms: a reader that finds several there has to
// be told which one is meant.
func (b blobs) write(w io.Writer, all descriptor) error {
	top, err := json.Marshal(index{2, indexType, []descriptor{all}})
	if err != nil {
		return err
	}
	archive := tar.NewWriter(w)
	err = errors.Join(addFile(archive, "oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)), addFile(archive, "index.json", top))
	for _, name := range slices.Sorted(maps.Keys(b.data)) {
		err = errors.Join(err, addFile(archive, "blobs/"+strings.Replace(name, ":", "/", 1), b.data[name]))
	}
	return errors.Join(err, archive.Close())
}

func addFile(archive *tar.Writer, name string, data []byte) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: 0o644, ModTime: time.Unix(0, 0)}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err := archive.Write(data)
	return err
}
