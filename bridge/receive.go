package bridge

import (
	"fmt"
	"strings"
	"time"

	"volvobridge/bridge/command"
	"volvobridge/bridge/entity"
	"volvobridge/bridge/mqtt"
)

// take takes a message on a car's /set topic. Every message gets an answer.
func (s *commands) take(level, id string, m mqtt.Received) {
	now := time.Now()
	s.link.Mirror.Empty(m.Topic, now)
	c := s.fleet.bySlug[level]
	switch {
	case (c == nil || entity.ByID(id) == nil) && m.Retained:
		s.answerUnknownTopic(level, id, command.Stored, now)
	case c == nil:
		s.answerUnknownTopic(level, id, command.Refusal{Reason: command.Invalid, Advice: "There is no car of that name."}, now)
	case entity.ByID(id) == nil:
		s.answerUnknownTopic(level, id, command.Refusal{Reason: command.Invalid, Advice: "There is no entity of that name."}, now)
	default:
		if m.Passed > 0 && !m.Retained && !s.stopping && entity.ByID(id).TakesCommands() {
			s.execute(s.machine.Refuse(c.commands, id, command.Message{Payload: m.LastPassed, Arrived: m.At}, passed(m), now.Add(-1)), now)
		}
		s.execute(s.machine.Take(c.commands, id, s.message(m, now), s.situation(c.account, now)), now)
	}
}

// message is what the machine of the commands needs of a message. One that waited
// here longer than it may be old is of unknown age.
func (s *commands) message(m mqtt.Received, now time.Time) command.Message {
	late := m.Late || now.Round(0).Sub(m.At.Round(0)) > s.limits.MaxAge
	return command.Message{Payload: m.Payload, Arrived: m.At, Retained: m.Retained, Late: late}
}

// passed is the answer to the messages of a flood that could not even wait: the last
// of them gets it, for all.
func passed(m mqtt.Received) command.Refusal {
	return command.Refusal{Reason: command.Busy, Advice: fmt.Sprintf("Messages came faster than they could be answered; %d were left out, a newer one took their place.", m.Passed)}
}

// refuseConflict answers a command while another bridge owns the base topic, or may.
// The answer is not retained: the topics are the other's.
func (s *commands) refuseConflict(m mqtt.Received) {
	now := time.Now()
	levels := strings.Split(strings.TrimPrefix(m.Topic, s.link.Place.Base+"/"), "/")
	if len(levels) != 3 || !s.unknownTopics.Allows(unknownTopicsPerSecond, now) {
		return
	}
	status := entity.Status{ID: fmt.Sprintf("vb-%d", now.UnixNano()), Status: command.Refused, Reason: new(command.Conflict), RequestedAt: now.UTC(), UpdatedAt: now.UTC(),
		Advice: new("Another bridge uses the same mqtt.topic, or it is not clear yet: stop one of the two, or give each its own; then send the command again.")}
	if r, _ := command.ParseRequest(m.Payload); r.ID != "" {
		status.ID = r.ID
	}
	s.link.Conn.Publish(mqtt.Message{Topic: s.link.Topic(levels[0], levels[1], "status"), Payload: []byte(entity.Encode(status))})
	if yes, unlogged := s.refusals.allows("conflict", now); yes {
		s.log.Warn().Str("entity", levels[1]).Str("reason", command.Conflict).Int("unlogged", unlogged).Msg("command_refused")
	}
}

// answerUnknownTopic: nobody of that name is here. The answer is not retained, so
// that a typing error leaves nothing behind.
func (s *commands) answerUnknownTopic(name, id string, no command.Refusal, now time.Time) {
	if !s.unknownTopics.Allows(unknownTopicsPerSecond, now) || !s.link.Mirror.Connected() {
		return
	}
	status := entity.Status{ID: fmt.Sprintf("vb-%d", now.UnixNano()), Status: command.Refused, Reason: &no.Reason, Advice: &no.Advice, RequestedAt: now.UTC(), UpdatedAt: now.UTC()}
	s.link.Conn.Publish(mqtt.Message{Topic: s.link.Topic(name, id, "status"), Payload: []byte(entity.Encode(status))})
}

// settleLocally does what a command asks of the bridge itself.
func (s *commands) settleLocally(cmd *command.Command, now time.Time) {
	c := s.fleet.car(cmd.VIN())
	var no *command.Refusal
	var advice string
	switch cmd.Entity {
	case "engine_runtime":
		c.EngineRuntime = cmd.Runtime
		s.files.saveCar(c)
	case "refresh":
		if no = c.account.RefusedReads(now); no != nil {
			break
		}
		advice = "The values follow on the state topic; none is read more often than polling.min_interval."
		resources, _ := command.Resources(cmd.Request.Value) // understood before
		var underWay []string
		for _, r := range resources { // what there is no token for is not planned
			if c.account.Plan.Refresh(c.key(r), now) {
				underWay = append(underWay, string(r))
			}
		}
		if len(underWay) > 0 {
			advice += " Already being read: " + strings.Join(underWay, ", ") + "."
		}
	}
	s.execute(s.machine.Settle(cmd, no, advice, now), now)
}
