package workload

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// redact sends secrets, and looks for them.
func (v *validation) redact(ctx context.Context, c *theCrew) error {
	shapes := Shapes
	if v.p.Server != "" {
		shapes = shapes[:len(shapes)-1] // the hub has an environment of its own
	}
	texts := make(chan string, messagesWithSecrets)
	reading, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	for _, w := range c.workers {
		wg.Go(func() {
			for reading.Err() == nil {
				res, err := w.Check(reading, 1)
				if err != nil {
					pause(reading, 100*time.Millisecond)
				}
				for _, m := range res.Messages {
					if strings.Contains(m.Text, "secret number ") {
						texts <- Unframed(m.Text)
					}
				}
			}
		})
	}
	for i := range messagesWithSecrets {
		text := fmt.Sprintf("secret number %d is %s and that is all", i, v.secret.Plant(fmt.Sprintf("message %d", i), shapes[i%len(shapes)]))
		if _, _, err := v.send(ctx, c.lead, c.workers[i%len(c.workers)].Name, text, fmt.Sprintf("secret %d", i)); err != nil {
			stop()
			wg.Wait()
			return err
		}
	}
	late := time.After(patienceForMessages)
	var err error
	for range messagesWithSecrets {
		select {
		case text := <-texts:
			v.is("redact", "masked", strings.Contains(text, "[REDACTED"))
			v.is("redact", "leaked", len(v.secret.Look("message", []byte(text))) > 0)
		case <-late:
			err = fmt.Errorf("a message with a secret did not come within %s", patienceForMessages)
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			break
		}
	}
	stop()
	wg.Wait()
	if err == nil && v.plan.Own {
		err = v.search()
	}
	return err
}

// search looks for the secrets in every file of the deployment.
func (v *validation) search() error {
	return filepath.WalkDir(v.p.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil // it went away meanwhile, or is a socket
		}
		text, err := os.ReadFile(path)
		if err == nil {
			v.is("redact", "leaked", len(v.secret.Look(path, text)) > 0)
		}
		return nil
	})
}
