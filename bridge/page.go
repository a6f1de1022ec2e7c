package bridge

import (
	"context"
	"maps"
	"slices"
	"time"

	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/link"
	"volvobridge/bridge/mqtt"
	"volvobridge/bridge/picture"
	"volvobridge/bridge/web"
)

// Page is what the web page shows of a bridge and has it do. It asks the loop for all
// of it, so it may be used by many at once. It implements [web.Bridge].
type Page struct{ b *Bridge }

// NewPage returns the page's side of a bridge.
func NewPage(b *Bridge) Page { return Page{b} }

// Changed implements [web.Bridge].
func (p Page) Changed() <-chan struct{} { return p.b.changes.news.Wait() }

// View implements [web.Bridge].
func (p Page) View(ctx context.Context) (v web.View, err error) {
	b := p.b
	err = b.workers.within(ctx, func(now time.Time) {
		v = web.View{Now: now, Rules: b.rules, Commands: maps.Clone(b.commands.ended), Refusals: maps.Clone(b.commands.refused), Unknown: slices.Sorted(maps.Keys(b.self.unknownFields)),
			Broker: web.Broker{Connected: b.link.Mirror.Connected(), Conflict: b.link.Own.Conflict(), None: b.link.None, Since: b.link.Since, Lines: troubles(b.link)}}
		if problem := b.opts.Store.Problem(); problem != nil {
			v.Store = problem.Error()
		}
		for _, a := range b.accounts {
			spent, limit := a.Spent(now)
			state := a.Quota.State(now)
			shown := web.Account{Label: a.Label, Status: string(a.Status), Since: a.Since, Advice: a.Advice(now), Login: a.Chain != nil, LoginEnds: a.Ends,
				Spent: spent, Left: state.Left, Limit: limit, Forecast: a.Forecast(now), Refill: state.Resets, Price: a.Plan.Price(), Days: maps.Clone(a.Days), Calls: map[web.Call]int{}}
			for call, n := range a.Calls {
				shown.Calls[web.Call(call)] = n
			}
			if a.Chain != nil {
				login := a.Chain.State(now)
				shown.Required, shown.LoginEnds = login.Login, login.Ends
			}
			v.Accounts = append(v.Accounts, shown)
		}
		for _, c := range b.fleet.cars {
			v.Cars = append(v.Cars, c.view(b.rules, b.link.Place, now))
		}
	})
	return v, err
}

// troubles are lines that say what is wrong with the broker, each with what to do.
func troubles(l *link.Link) []string {
	var lines []string
	if !l.Mirror.Connected() && l.Why != "" {
		lines = append(lines, l.Why)
	}
	for _, f := range findings(l) {
		lines = append(lines, f.Found+". "+f.Advice)
	}
	return lines
}

// view is the car as the page shows it. What is shared with it is never written to again:
// the loop puts new values in place of old ones.
func (c *car) view(r entity.Rules, p entity.Place, now time.Time) web.Car {
	outlook := c.account.Plan.Outlook(c.VIN, now)
	c.Moving = c.commands.Moving()
	v := web.Car{Level: c.Level, Label: c.label, Name: c.DisplayName(), Online: c.online == "online", Since: c.onlineSince, LastGood: c.LastGood, Phase: string(outlook.Phase), Reason: outlook.InWords(now),
		Rows: c.Rows(r, p, now), Position: c.Position(), Last: c.LastCommand, History: maps.Clone(c.history), Answers: map[string]entity.Answer{}, Warnings: c.Warnings()}
	for kind, image := range c.Images {
		if image.Type != "" {
			v.Pictures = append(v.Pictures, kind)
		}
	}
	for resource, a := range c.Snapshot {
		v.Answers[string(resource)] = *a
	}
	for _, l := range outlook.Looks {
		read := web.Read{Resource: string(l.Resource), Reason: l.Reason, Interval: l.Interval, Next: l.Next}
		if a := c.Snapshot[l.Resource]; a != nil {
			read.Last = a.Fetched
		}
		if f, failed := c.faults[l.Resource]; failed {
			read.Fault, read.FaultAt = f.text, f.at
		}
		v.Reads = append(v.Reads, read)
	}
	return v
}

// Command implements [web.Bridge].
func (p Page) Command(ctx context.Context, level, id string, payload []byte) (status entity.Status, err error) {
	s := p.b.commands
	err = p.b.workers.within(ctx, func(now time.Time) {
		c := s.fleet.bySlug[level]
		if e := entity.ByID(id); c == nil || e == nil || !e.TakesCommands() {
			status = entity.Status{Status: command.Refused, Reason: new(command.Invalid), Advice: new("There is no such car or command.")}
			return
		}
		before := c.Statuses[id]
		s.execute(s.machine.Take(c.commands, id, s.message(mqtt.Received{Payload: payload, At: now}, now), s.situation(c.account, now)), now)
		if status = c.Statuses[id]; status == before { // nothing is told before the journal knows of it
			status = entity.Status{Status: command.Sending}
		}
	})
	return status, err
}

// Picture implements [web.Bridge].
func (p Page) Picture(ctx context.Context, level, kind string) (data []byte, mediaType string) {
	vin := ""
	err := p.b.workers.within(ctx, func(time.Time) {
		if c := p.b.fleet.bySlug[level]; c != nil {
			vin, mediaType = c.VIN, c.Images[kind].Type
		}
	})
	if err != nil || mediaType == "" {
		return nil, ""
	}
	return p.b.opts.Store.Load(picture.File(vin, kind)), mediaType
}

// Ledger implements [web.Bridge].
func (p Page) Ledger(ctx context.Context) (ledger []web.LedgerEntry, err error) {
	names := map[string]string{}
	err = p.b.workers.within(ctx, func(time.Time) {
		for _, c := range p.b.fleet.cars {
			names[c.VIN] = c.label
		}
		ledger = slices.Clone(p.b.commands.turnedAway)
	})
	ledger = append(ledger, Ledger(p.b.opts.Store.Commands(), names)...)
	slices.SortStableFunc(ledger, func(x, y web.LedgerEntry) int { return x.RequestedAt.Compare(y.RequestedAt) })
	return ledger, err
}
