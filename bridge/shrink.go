package bridge

import (
	"bytes"
	"errors"
	"image"
	_ "image/gif" // what Volvo's pictures may be
	"image/jpeg"
	_ "image/png"
	"math"
	"strings"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"
)

const (
	firstTarget   = 200 << 10 // bytes of a picture that was too large for the broker
	smallestBytes = 12 << 10  // then it is left out
	mostPixels    = 50_000_000
	quality       = 80
)

var errTooSmall = errors.New("a smaller picture would show nothing")

// shrinkPicture makes a picture that the broker did not take smaller, and publishes
// it again.
func (b *Bridge) shrinkPicture(topic string, size int) {
	rest, ours := strings.CutPrefix(topic, b.opts.MQTT.Topic+"/")
	slug, kind, _ := strings.Cut(rest, "/image/")
	c := b.bySlug[slug]
	if !ours || c == nil || c.Images[kind].Type == "" || c.fetching[kind] {
		return
	}
	c.fetching[kind] = true
	p := picture{car: c, kind: kind, image: c.Images[kind]}
	data := b.opts.Store.Load(imageFile(c, kind))
	b.background(func() {
		p.data, p.err = smaller(data, min(firstTarget, size/2))
		p.image.Type = "image/jpeg"
		deliver(b, b.pictures, p)
	})
}

// smaller returns a picture as a JPEG of at most so many bytes.
func smaller(data []byte, most int) ([]byte, error) {
	if most < smallestBytes {
		return nil, errTooSmall
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil || size.Width*size.Height > mostPixels {
		return nil, errors.Join(errTooSmall, err)
	}
	picture, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	for scale := math.Min(1, math.Sqrt(float64(most)*4/float64(size.Width*size.Height))); ; scale *= 0.7 {
		width, height := int(float64(size.Width)*scale), int(float64(size.Height)*scale)
		if width < 40 || height < 20 {
			return nil, errTooSmall
		}
		// White below what is transparent: a JPEG has no transparency.
		canvas := image.NewRGBA(image.Rect(0, 0, width, height))
		draw.Draw(canvas, canvas.Bounds(), image.White, image.Point{}, draw.Src)
		draw.ApproxBiLinear.Scale(canvas, canvas.Bounds(), picture, picture.Bounds(), draw.Over, nil)
		var out bytes.Buffer
		if err := jpeg.Encode(&out, canvas, &jpeg.Options{Quality: quality}); err != nil {
			return nil, err
		}
		if out.Len() <= most {
			return out.Bytes(), nil
		}
	}
}
