package storetest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"agentbridge/internal/bridge"
)

func rowPromises() []promise {
	return []promise{
		{"Meta_RoundTrips", metaRoundTrips},
		{"Agent_RoundTrips", agentRoundTrips},
		{"Agents_ComeByNameThenID", agentsOrder},
		{"Token_RoundTrips", tokenRoundTrips},
		{"Tokens_ComeOldestFirst", tokensOrder},
		{"Conversation_RoundTrips", conversationRoundTrips},
		{"Conversations_ComeNewestFirst", conversationsOrder},
		{"DueConversations_ComeSoonestFirst", dueOrder},
		{"EraseConversation_LeavesRowAndLog", eraseConversation},
		{"Member_RoundTrips", memberRoundTrips},
		{"Members_ComeByInvitationThenName", membersOrder},
		{"Memberships_AreHeldAndNotRevoked", memberships},
		{"Invite_RoundTrips", inviteRoundTrips},
		{"Invites_ComeOldestFirst", invitesOrder},
		{"InvitesNamed_AreUnusedAndNotVoid", invitesNamed},
		{"Message_RoundTrips", messageRoundTrips},
		{"AddMessage_ConflictsOnIDOrSeq", addMessageConflicts},
		{"Messages_ComeInOrderUpToLimit", messagesOrder},
		{"Delivery_RoundTrips", deliveryRoundTrips},
		{"AddDelivery_RefusesATakenKey", addDeliveryTwice},
		{"PutDelivery_NeedsTheCopy", putDeliveryMissing},
		{"Deliveries_ComeBySeqThenRecipient", deliveriesOrder},
		{"Waiting_HeldAndBatch_ComeBySeq", waitingHeldBatch},
		{"Unacked_CountsUpToLimit", unacked},
		{"Unread_CountsAllSeats", unread},
		{"Holders_AreOneForEachInstanceAndSeat", holders},
		{"Task_RoundTrips", taskRoundTrips},
		{"AddTask_ConflictsOnIDOrNumber", addTaskConflicts},
		{"PutTask_NeedsTheTaskAndKeepsItsPlace", putTaskPlace},
		{"Tasks_ComeByNumberUpToLimit", tasksOrder},
		{"Ready_IsTheBestForAMember", ready},
		{"Assigned_AreTheOpenOnesOfAMember", assigned},
		{"Movable_AreTheAssignedThatMayGoToAnother", movable},
		{"Dependents_ComeByNumber", dependents},
		{"Leases_AreOfClaimedTasks", leases},
		{"CountTasks_CountsEachState", countTasks},
		{"Seats_AreTakenAndNotBuried", seats},
		{"Alert_RoundTrips", alertRoundTrips},
		{"AddAlert_ConflictsOnID", addAlertConflicts},
		{"Alerts_ComeOldestFirstUpToLimit", alertsOrder},
		{"Permit_RoundTrips", permitRoundTrips},
		{"Permits_AreThoseThatLast", permitsAreThoseThatLast},
		{"Command_RoundTrips", commandRoundTrips},
		{"Commands_HaveAnIDOfTheirOwn", commandsConflict},
		{"Commands_ComeInTheOrderOfTheirStateUpToLimit", commandsOrder},
		{"Sending_RoundTrips", sendingRoundTrips},
		{"DropSendings_OfOldAndLostAlerts", dropSendings},
		{"Presence_RoundTrips", presenceRoundTrips},
		{"DropPresence_SparesThoseHeardSince", dropPresence},
		{"TouchPresence_OnlyMovesOn", touchPresence},
		{"TouchPresence_NeedsNoTurnOfTheAgent", touchBeside},
		{"Charges_TellNumberAndTimes", charges},
		{"Charge_ForgetsAllButKeep", chargeKeeps},
		{"DropCharges_SparesConversationsAndLaterOnes", dropCharges},
		{"Grown_TellsTheLatestSize", grown},
		{"Entry_RoundTrips", entryRoundTrips},
		{"AddEntry_ConflictsOnPosition", addEntryConflicts},
		{"Entries_ComeInOrderUpToLimit", entriesOrder},
		{"Logs_AreThoseWithEntries", logs},
	}
}

// words is text that stores have been known to mangle: quotes, two ways to write é, wide and astral runes, a zero-width joiner,
// right-to-left, line ends, and what looks like SQL, a format or an escape. There is no NUL in it: the bridge lets none in.
const words = "naïve e\u0301 \U0001F469\u200d\U0001F680 日本 \u202eabc\u202c \t\r\n'; DROP TABLE agents; --\" \\x00 %s {} $1 ?1 \u2028"

// long is as much text as a message can have, in characters of three bytes.
var long = strings.Repeat("語", 50_000)

// Ids, as the bridge makes them.
func convID(n int) bridge.ConversationID { return bridge.ConversationID(fmt.Sprintf("conv_%016x", n)) }
func agentID(n int) bridge.AgentID       { return bridge.AgentID(fmt.Sprintf("agent_%016x", n)) }
func messageID(n int) bridge.MessageID   { return bridge.MessageID(fmt.Sprintf("msg_%016x", n)) }
func tokenID(n int) bridge.TokenID       { return bridge.TokenID(fmt.Sprintf("%032x", n)) }
func taskID(n int) bridge.TaskID         { return bridge.TaskID(fmt.Sprintf("task_%016x", n)) }
func commandID(n int) bridge.CommandID   { return bridge.CommandID(fmt.Sprintf("cmd_%016x", n)) }
func alertID(n int) bridge.AlertID       { return bridge.AlertID(fmt.Sprintf("alert_%016x", n)) }
func inviteID(n int) string              { return fmt.Sprintf("%016x", n) }

// at is a moment, later for larger n.
func at(n int) time.Time {
	return time.Date(2026, 11, 22, 16, 0, 0, 123456000, time.UTC).Add(time.Duration(n) * time.Second)
}

// odd is at(n) in another zone and with nanoseconds: a store keeps it as at(n).
func odd(n int) time.Time { return at(n).Add(789).In(time.FixedZone("Chatham", 45900)) }

// full checks that a row has something in every field but those named, so that a field added to the bridge is missed here.
func full(t testing.TB, row any, but ...string) {
	t.Helper()
	v := reflect.ValueOf(row)
	for i := range v.NumField() {
		if name := v.Type().Field(i).Name; v.Field(i).IsZero() && !slices.Contains(but, name) {
			t.Errorf("storetest: the test row of %s has nothing in %s", v.Type(), name)
		}
	}
}

// pluck gives one field of each row, for tests of order.
func pluck[R, F any](field func(R) F) func([]R, error) ([]F, error) {
	return func(rows []R, err error) ([]F, error) {
		fields := []F{}
		for _, r := range rows {
			fields = append(fields, field(r))
		}
		return fields, err
	}
}
