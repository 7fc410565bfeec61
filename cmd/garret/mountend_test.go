package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// A mount that is ended waits for its storage, but not when it has been told twice.
func TestUnlessInsisted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := errors.New("failed")
		if err := unlessInsisted(t.Context(), func() error { return failed }); err != failed {
			t.Errorf("%v; want what it ended with", err)
		}
		ctx, insist := context.WithCancel(t.Context())
		answer := make(chan struct{})
		defer close(answer)
		ended := make(chan error)
		go func() {
			ended <- unlessInsisted(ctx, func() error {
				<-answer
				return nil
			})
		}()
		synctest.Wait()
		select {
		case err := <-ended:
			t.Fatalf("not waited for: %v", err)
		default:
		}
		insist()
		if err := <-ended; err == nil {
			t.Error("storage that does not answer is waited for")
		}
	})
}
