package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// readConfig finds the config that everything goes by.
func (p *repairer) readConfig(ctx context.Context) error {
	if p.r != nil {
		c := p.r.config
		p.config = &c
		return nil
	}
	configs, _, err := readConfigs(ctx, p.b)
	if len(configs) > 0 {
		p.config = &configs[0].Config
	}
	return err
}

func (p *repairer) configPair(n int) pair {
	return pair{name: configName(n, false), limit: maxConfig, prove: func(data []byte) error { return p.proof.config(n, data) }}
}

// planConfigs plans for the config that counts, which is the sound one of the
// highest number; older ones were superseded by it. It plans the change of the
// parity, too.
func (p *repairer) planConfigs(ctx context.Context) error {
	highest := 0
	var older []int
	for _, name := range firstNames(p.configs) {
		n, _, _ := parseConfigName(name)
		highest = max(highest, n)
		if p.config != nil && n < p.config.Number {
			older = append(older, n)
			continue
		}
		if _, err := p.planPair(ctx, p.configPair(n)); err != nil {
			return err
		}
	}
	if p.config == nil {
		return p.fetchConfig(ctx)
	}
	if p.r == nil {
		return nil // what is superseded can be told with the key only
	}
	for _, n := range older {
		p.act(RepairAction{Kind: RepairClean, Object: configName(n, false), Reason: configName(p.config.Number, false) + " has taken its place",
			Remedy: "is removed", do: func(ctx context.Context, x *repairRun) error { return x.dropConfig(ctx, n) }})
	}
	if p.Parity == nil || *p.Parity == p.config.Parity {
		return nil
	}
	next := *p.config
	next.Number, next.Parity = highest+1, *p.Parity
	p.act(RepairAction{Kind: RepairConfig, Object: configName(next.Number, false),
		Reason: fmt.Sprintf("the parity of what is stored from now on is %d %%", p.config.Parity), Remedy: fmt.Sprintf("it becomes %d %%", next.Parity),
		Bytes: 2 << 10, do: func(ctx context.Context, x *repairRun) error { return x.writeConfig(ctx, next) }})
	return nil
}

// fetchConfig plans for a repository of which no config is sound, nor is there
// a damaged one that the mirror has sound.
func (p *repairer) fetchConfig(ctx context.Context) error {
	if p.mirror == nil || p.mirror.config == nil {
		p.beyond("config", errors.New("no copy of the config is sound"))
		return nil
	}
	p.config = p.mirror.config
	name := configName(p.config.Number, false)
	if slices.Contains(firstNames(p.configs), name) {
		return nil // it is damaged here, and has been planned for
	}
	return p.planFetch(ctx, p.configPair(p.config.Number))
}

// writeConfig stores a config of a new number, which counts from then on, and
// removes those before. What is interrupted leaves the old one, or both.
func (x *repairRun) writeConfig(ctx context.Context, c Config) error {
	data, err := c.encode(&x.p.r.keys.Put)
	if err != nil {
		return err
	}
	if err := putConfig(ctx, x.p.b, c.Number, data); err != nil {
		return err
	}
	x.p.r.config, *x.p.config = c, c
	for name := range x.p.configs {
		n, _, _ := parseConfigName(name)
		if n >= c.Number {
			continue
		}
		if err := x.dropConfig(ctx, n); err != nil && !errors.Is(err, errSettled) {
			return err
		}
	}
	return nil
}

// dropConfig removes a config, once the one that has taken its place is
// authentic in both copies.
func (x *repairRun) dropConfig(ctx context.Context, n int) error {
	copies, err := x.p.configPair(x.p.config.Number).read(ctx, x.p.b)
	if err != nil {
		return err
	}
	if err := errors.Join(copies[0].err, copies[1].err); err != nil {
		return err
	}
	return deleteBoth(ctx, x.p.b, configName(n, false))
}
