package apiserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	strictjson "sigs.k8s.io/json"
)

// maxBody bounds the body of a request in bytes, as a real server does.
const maxBody = 3 << 20

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return body, nil
}

// decode reads an object, as JSON or, from those parts of kubectl that know its Go type, as protobuf. Unknown and doubled fields are an error,
// a warning or nothing, as the query says; a server's default is a warning.
func (c *call) decode(w http.ResponseWriter, body []byte) (Object, error) {
	decoded := c.new()
	unknown, err := unmarshal(body, decoded)
	if err != nil {
		return nil, c.unreadable(err)
	}
	switch c.query.Get("fieldValidation") {
	case metav1.FieldValidationStrict:
		if len(unknown) > 0 {
			return nil, c.unreadable(fmt.Errorf("strict decoding error: %w", joinLine(unknown)))
		}
	case metav1.FieldValidationIgnore:
	default:
		for _, u := range unknown {
			w.Header().Add("Warning", fmt.Sprintf("299 - %q", u.Error()))
		}
	}
	if gvk := decoded.GetObjectKind().GroupVersionKind(); gvk != c.gvk() {
		return nil, apierrors.NewBadRequest(fmt.Sprintf(
			"the API version in the data (%s) does not match the expected API version (%s)", gvk.GroupVersion(), c.GroupVersion))
	}
	return decoded, nil
}

// protobufPrefix begins every protobuf body of Kubernetes.
const protobufPrefix = "k8s\x00"

// unmarshal fills an object and returns the fields that its type does not have.
func unmarshal(body []byte, into Object) (unknown []error, err error) {
	message, isProtobuf := bytes.CutPrefix(body, []byte(protobufPrefix))
	if !isProtobuf {
		return strictjson.UnmarshalStrict(body, into)
	}
	generated, ok := into.(interface{ Unmarshal([]byte) error })
	if !ok {
		return nil, fmt.Errorf("%T is not served as protobuf", into)
	}
	var envelope runtime.Unknown
	if err := envelope.Unmarshal(message); err != nil {
		return nil, err
	}
	into.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(envelope.APIVersion, envelope.Kind))
	return nil, generated.Unmarshal(envelope.Raw)
}

func (c *call) unreadable(err error) error {
	return apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", c.kind, c.Version, c.kind, err))
}

func joinLine(problems []error) error {
	texts := make([]string, len(problems))
	for i, p := range problems {
		texts[i] = p.Error()
	}
	return errors.New(strings.Join(texts, ", "))
}

// deleteOptions reads the body of a deletion, which may be empty.
func deleteOptions(w http.ResponseWriter, r *http.Request) (*metav1.DeleteOptions, error) {
	options := &metav1.DeleteOptions{}
	body, err := readBody(w, r)
	if err != nil || len(body) == 0 {
		return options, err
	}
	if err := json.Unmarshal(body, options); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return options, nil
}
