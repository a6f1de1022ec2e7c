package volvo

import (
	"net/http"
	"testing"
	"time"
)

func FuzzErrorBody(f *testing.F) {
	for _, body := range []string{
		`{"error":{"message":"NOT_FOUND","description":"x"}}`, `{"statusCode":403,"message":"Out of call volume quota. Quota will be replenished in 03:30:56."}`,
		`{"error":"invalid_grant","error_description":"x"}`, `{"code":"X","message":"y","details":[]}`, `<html>`, ``, `{"error":null}`,
	} {
		f.Add([]byte(body), 403, "17")
	}
	f.Fuzz(func(t *testing.T, body []byte, status int, retryAfter string) {
		resp := &http.Response{StatusCode: status, Header: http.Header{"Retry-After": {retryAfter}}}
		e := newStatusError("read doors", status%2 == 0, resp, body)
		if e.Kind == nil || e.Wait < 0 || e.Wait > 24*time.Hour || len(e.Text()) > 1000 || e.Advice() == "" || e.Error() == "" {
			t.Fatalf("%+v", e)
		}
	})
}
