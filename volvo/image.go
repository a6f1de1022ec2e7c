package volvo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

const maxImage = 5 << 20

// imageTypes are what Home Assistant shows.
var imageTypes = map[string]bool{"image/png": true, "image/jpeg": true, "image/webp": true, "image/gif": true}

// Image fetches a picture of a car, without token and key: the address is
// Volvo's word, and it names another host. It returns the bytes and their type.
func (c *Client) Image(ctx context.Context, address string) ([]byte, string, error) {
	const op = "fetch picture"
	fail := func(kind error, status int, cause error) ([]byte, string, error) {
		return nil, "", &Error{Kind: kind, Op: op, Status: status, cause: cause}
	}
	u, err := url.Parse(address)
	if err != nil || !c.imageAllowed(u) {
		return fail(ErrBadRequest, 0, errors.New("its address is neither https nor of volvo.api_url"))
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return fail(ErrBadRequest, 0, errors.New("its address can't be used"))
	}
	req.Header.Set("Accept", "image/png,image/jpeg,image/webp,image/*;q=0.8")
	// Volvo's picture hosts turn away what does not look like a browser.
	req.Header.Set("User-Agent", "Mozilla/5.0 (compatible; "+c.opts.UserAgent+")")
	resp, err := c.images.Do(req)
	if err != nil {
		return fail(ErrUnreachable, 0, safe(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fail(kindOf(resp.StatusCode, ""), resp.StatusCode, nil)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxImage+1))
	switch {
	case err != nil:
		return fail(ErrUnreachable, resp.StatusCode, safe(err))
	case len(body) > maxImage:
		return fail(ErrBadRequest, resp.StatusCode, fmt.Errorf("it is larger than %d bytes", maxImage))
	}
	kind := http.DetectContentType(body)
	if !imageTypes[kind] {
		return fail(ErrBadRequest, resp.StatusCode, fmt.Errorf("it is no picture but %s", kind))
	}
	return body, kind, nil
}

// imageAllowed: https from anywhere, or the configured origin whatever it is.
func (c *Client) imageAllowed(u *url.URL) bool {
	if u.Host == "" || u.User != nil {
		return false
	}
	return u.Scheme == "https" || strings.EqualFold(u.Scheme+"://"+u.Host, c.opts.URL)
}

func (c *Client) checkImageRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > 5 || !c.imageAllowed(req.URL) {
		return errors.New("redirect refused")
	}
	req.Header.Del("Referer")
	return nil
}
