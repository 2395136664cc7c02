package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"agentbridge/internal/bridge"
)

func (p *program) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show what is in force and where it comes from, and look for faults",
		Long:  "Show what is in force and where it comes from, and look for faults: exit 1 if there is one, with what to type against each.",
		Args:  count(0, 0, "none"),
		RunE:  func(cmd *cobra.Command, _ []string) error { return p.doctor(cmd.Context()) },
	}
	p.jsonFlag(cmd)
	return cmd
}

// diagnosis is what the doctor found.
type diagnosis struct {
	Settings []inForce `json:"settings"`
	Findings []finding `json:"findings"`
}

// inForce is a setting's value.
type inForce struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
}

// finding is one thing the doctor looked at. What is not ok has a hint.
type finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Says string `json:"says"`
	Hint string `json:"hint,omitempty"`
}

func (d *diagnosis) good(what, format string, args ...any) {
	d.Findings = append(d.Findings, finding{What: what, OK: true, Says: fmt.Sprintf(format, args...)})
}

func (d *diagnosis) bad(what string, err error) {
	e := bridge.AsError(err)
	d.Findings = append(d.Findings, finding{What: what, Says: e.Message, Hint: e.Hint})
}

func (p *program) doctor(ctx context.Context) error {
	conf, err := p.loadConfig()
	if err != nil {
		return err
	}
	d := &diagnosis{}
	for _, s := range settings {
		d.Settings = append(d.Settings, inForce{s.name, conf.show(s), conf.from[s.name]})
	}
	p.examine(ctx, conf, d)
	faults := 0
	for _, f := range d.Findings {
		if !f.OK {
			faults++
		}
	}
	err = p.answer(d, func() { p.diagnosis(d) })
	if err == nil && faults > 0 {
		return exit(1)
	}
	return err
}

func (p *program) diagnosis(d *diagnosis) {
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	for _, s := range d.Settings {
		rows = append(rows, []string{s.Key, s.Value, s.Source})
	}
	p.table(rows...)
	p.printf("\n")
	for _, f := range d.Findings {
		if f.OK {
			p.printf("ok     %s: %s\n", f.What, f.Says)
			continue
		}
		p.printf("%s  %s: %s\n", p.style(red, "FAULT"), f.What, f.Says)
		if f.Hint != "" {
			p.printf("       hint: %s\n", f.Hint)
		}
	}
}
