// Package picture is the cars' pictures: fetched, kept in the store, published from it,
// and made smaller for a broker that does not take them.
package picture

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	_ "image/png"
	"math"

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp"
)

const (
	smallestBytes = 12 << 10 // less would show nothing
	mostPixels    = 50_000_000
	quality       = 80
)

// ErrTooSmall tells that a picture of that size would show nothing.
var ErrTooSmall = errors.New("a smaller picture would show nothing")

// Smaller returns a picture as a JPEG of at most so many bytes.
func Smaller(data []byte, most int) ([]byte, error) {
	if most < smallestBytes {
		return nil, ErrTooSmall
	}
	size, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil || size.Width*size.Height > mostPixels {
		return nil, errors.Join(ErrTooSmall, err)
	}
	picture, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	for scale := math.Min(1, math.Sqrt(float64(most)*4/float64(size.Width*size.Height))); ; scale *= 0.7 {
		width, height := int(float64(size.Width)*scale), int(float64(size.Height)*scale)
		if width < 40 || height < 20 {
			return nil, ErrTooSmall
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
