package simulator

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/http"
	"strings"
)

// paint are the colours of the three cars.
var paint = map[Kind]color.RGBA{BEV: {196, 190, 92, 255}, PHEV: {226, 228, 230, 255}, Petrol: {52, 54, 60, 255}}

// picture draws a car, from the side or from the driver's seat.
func (c *Cloud) picture(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	car := c.find(r.PathValue("vin"))
	c.mu.Unlock()
	name := strings.TrimSuffix(r.PathValue("picture"), ".png")
	if car == nil || name != "exterior" && name != "interior" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(Picture(car.Kind, name)) // a client that left needs no answer
}

// Picture draws the exterior or the interior of a kind of car as a PNG.
func Picture(kind Kind, name string) []byte {
	draw := exterior
	if name == "interior" {
		draw = interior
	}
	const width, height = 640, 320
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.Set(x, y, draw(float64(x), float64(y), paint[kind]))
		}
	}
	var b bytes.Buffer
	_ = png.Encode(&b, img) // into memory
	return b.Bytes()
}

var (
	glass   = color.RGBA{150, 176, 192, 255}
	rubber  = color.RGBA{34, 34, 38, 255}
	chrome  = color.RGBA{198, 202, 208, 255}
	ground  = color.RGBA{214, 216, 219, 255}
	leather = color.RGBA{92, 76, 64, 255}
)

// exterior: a body, a cabin with windows, two wheels.
func exterior(x, y float64, paint color.RGBA) color.Color {
	for _, wheel := range []float64{165, 480} {
		switch d := math.Hypot(x-wheel, y-232); {
		case d < 22:
			return chrome
		case d < 42:
			return rubber
		}
	}
	roof := 96 + math.Pow(math.Abs(x-330)/150, 4)*40
	switch {
	case y > 268 && y < 276 && x > 60 && x < 590:
		return ground
	case x > 210 && x < 445 && y > roof+14 && y < 158 && math.Abs(x-325) > 5 && x > 190+(158-y)*0.6 && x < 470-(158-y)*0.7:
		return glass
	case x > 180+(158-math.Min(y, 158))*0.5 && x < 480-(158-math.Min(y, 158))*0.6 && y > roof && y < 240:
		return paint
	case x > 78 && x < 576 && y > 156+math.Pow(math.Abs(x-327)/250, 6)*26 && y < 242:
		if x > 556 && y < 190 || x < 92 && y < 190 {
			return color.RGBA{196, 52, 44, 255}
		}
		return paint
	}
	return color.RGBA{}
}

// interior: a wheel, a screen, two seats.
func interior(x, y float64, paint color.RGBA) color.Color {
	switch d := math.Hypot(x-190, (y-190)*1.1); {
	case d > 62 && d < 78:
		return rubber
	case d < 20:
		return chrome
	case x > 300 && x < 392 && y > 96 && y < 236:
		return color.RGBA{28, 44, 60, 255}
	case y > 120 && y < 150:
		return paint
	case y < 120:
		return glass
	case y > 250 && (x > 90 && x < 280 || x > 400 && x < 590):
		return leather
	}
	return color.RGBA{58, 58, 62, 255}
}
