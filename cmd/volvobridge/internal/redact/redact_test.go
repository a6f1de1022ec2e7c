package redact

import (
	"bytes"
	"testing"
)

func TestRedaction(t *testing.T) {
	var out bytes.Buffer
	r := New(&out)
	for _, s := range []string{"s3cret-key", "s3cret-key-longer", "abc"} {
		r.Secret(s)
	}
	r.VIN("yv1ab000000000001")
	r.VIN("YV1XZ12345") // as short as in Volvo's reference
	line := `{"a":"s3cret-key-longer s3cret-key S3CRET-KEY abc","vin":"YV1AB000000000001","other":"YV4XX99999999999Z","t":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.abc","k":"0123456789abcdef0123456789abcdef","short":"/vehicles/yv1xz12345/doors","p":"57.72537482589284","q":"57.7253","at":"57.72, 11.85","n":1.25,"word":"communicationword"}`
	if n, err := r.Write([]byte(line)); n != len(line) || err != nil {
		t.Errorf("%d %v", n, err)
	}
	const want = `{"a":"*** *** *** abc","vin":"***","other":"***","t":"***","k":"***","short":"/vehicles/***/doors","p":"***","q":"***","at":"***","n":1.25,"word":"communicationword"}`
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
}
