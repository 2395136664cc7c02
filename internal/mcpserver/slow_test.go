package mcpserver

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A client that stays and reads nothing holds what it was given no longer than one that leaves.
func TestHTTP_WhoReadsNothingGetsNothing(t *testing.T) {
	eras(t, Options{}, func(t *testing.T, w *world, say func(string), states func() []string, beta *remote) {
		say("one")
		conn, err := beta.hub.Transport.(*http.Transport).DialContext(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := post(t.Context(), beta.token, beta.session, beta.body("1", "check_messages", checkNow)).Write(conn); err != nil {
			t.Fatal(err)
		}
		time.Sleep(keepAliveEvery / 2)
		synctest.Wait()
		expect(t, "states", states(), "delivered")
		time.Sleep(keepAliveEvery)
		synctest.Wait()
		expect(t, "states", states(), "stored")
		expect(t, "messages", beta.call("2", "check_messages", checkNow).texts(), "one")
	})
}
