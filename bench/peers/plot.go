package main

import (
	"image/color"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// colours of the tools, the same in all plots.
var colours = map[string]color.Color{
	"garret": color.RGBA{R: 0x1b, G: 0x6e, B: 0xa8, A: 0xff},
	"borg":   color.RGBA{R: 0xc9, G: 0x7b, B: 0x22, A: 0xff},
	"restic": color.RGBA{R: 0x7a, G: 0x9a, B: 0x3a, A: 0xff},
	native:   color.RGBA{R: 0x99, G: 0x99, B: 0x99, A: 0xff},
}

// bars is a plot of one group of bars for each label.
type bars struct {
	title, unit string
	labels      []string
	values      map[string][]float64 // by tool
}

// plots draws everything.
func (r *results) plots(dir string) error {
	times := bars{title: "Wall time", unit: "seconds", values: map[string][]float64{}}
	sizes := bars{title: "Repository", unit: "MB", values: map[string][]float64{}}
	tools := []string{"garret", "borg", "restic", native}
	for i, f := range r.Corpora {
		if i == 0 {
			for _, s := range []struct{ label, step, floor string }{
				{"first snapshot", stepFirst, ""}, {"unchanged", stepSame, nativeFind}, {"restore", stepRestore, nativeCopy},
				{"check", stepCheck, ""}, {"mount, cp -a", stepCopy, nativeCopy},
			} {
				if _, measured := f.took("garret", s.step); !measured {
					continue
				}
				times.labels = append(times.labels, s.label)
				for _, who := range tools {
					step := s.step
					if who == native {
						step = s.floor
					}
					c, _ := f.took(who, step)
					times.values[who] = append(times.values[who], c.Wall)
				}
			}
			times.title = "Wall time, " + f.What
		}
		if len(f.peers()) > 0 {
			sizes.labels = append(sizes.labels, f.Name)
			second := f.Costs["garret"][stepSecond] != nil
			if second {
				sizes.labels = append(sizes.labels, f.Name+", added")
			}
			for _, who := range tools[:3] {
				s := f.Sizes[who]
				sizes.values[who] = append(sizes.values[who], float64(s[0])/1e6)
				if second {
					sizes.values[who] = append(sizes.values[who], float64(s[1])/1e6)
				}
			}
		}
	}
	if err := times.draw(filepath.Join(dir, "time.svg")); err != nil {
		return err
	}
	return sizes.draw(filepath.Join(dir, "size.svg"))
}

func (b *bars) draw(path string) error {
	if len(b.labels) == 0 {
		return nil
	}
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	p := plot.New()
	p.Title.Text, p.Y.Label.Text, p.Y.Min = b.title, b.unit, 0
	p.Title.Padding = vg.Points(8)
	p.Legend.Top, p.Legend.Padding, p.Legend.XOffs = true, vg.Points(3), vg.Points(-10)
	p.X.Min, p.X.Max = -0.6, float64(len(b.labels))-0.4
	for _, v := range b.values {
		for _, y := range v {
			p.Y.Max = max(p.Y.Max, 1.25*y) // room for the legend
		}
	}
	p.Add(plotter.NewGrid())
	const width = 14 // points
	n := 0
	for _, who := range []string{"garret", "borg", "restic", native} {
		if len(b.values[who]) > 0 {
			n++
		}
	}
	at := -width * float64(n-1) / 2
	for _, who := range []string{"garret", "borg", "restic", native} {
		v := b.values[who]
		if len(v) == 0 {
			continue
		}
		chart, err := plotter.NewBarChart(plotter.Values(v), vg.Points(width))
		if err != nil {
			return err
		}
		chart.Color, chart.LineStyle.Width, chart.Offset = colours[who], 0, vg.Points(at)
		at += width
		p.Add(chart)
		p.Legend.Add(who, chart)
	}
	p.NominalX(b.labels...)
	return p.Save(vg.Points(620), vg.Points(320), path)
}
