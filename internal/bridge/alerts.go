package bridge

// alert raises an alert in this update: it is stored for the sinks, and told to the orchestrators present, or, where none of them is
// there to hear it, to all others. A pause is told to all, and a command that waits for a person
// to no agent. The text is the bridge's own words, with names and ids.
func (r *room) alert(kind AlertKind, member string, task TaskID, text string) error {
	a := Alert{
		ID: AlertID(newID("alert_")), Conversation: r.c.ID, Kind: kind, At: r.now, Member: member, Task: task, Text: text,
	}
	if err := r.tx.AddAlert(a); err != nil {
		return err
	}
	r.raised = append(r.raised, a)
	return r.announce(text, r.alarmed(kind, member)...)
}

// alarmed are those who are told of an alert.
func (r *room) alarmed(kind AlertKind, member string) (names []string) {
	if kind == AlertCommand {
		return nil
	}
	var leads []string
	for _, m := range r.all {
		if !m.Present() || m.Name == member {
			continue
		}
		names = append(names, m.Name)
		if m.Rank == Orchestrator && m.SilentAt.IsZero() {
			leads = append(leads, m.Name)
		}
	}
	if len(leads) == 0 || kind == AlertPaused {
		return names
	}
	return leads
}

// tell logs the alerts of an update that is known to be committed.
func (s *Service) tell(raised []Alert) {
	for _, a := range raised {
		s.log.Warn("alert", "kind", a.Kind, "alert", a.ID, "conversation", a.Conversation, "member", a.Member, "task", a.Task, "text", a.Text)
	}
}
