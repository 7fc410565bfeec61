package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"garret/fs/restore"
)

// Programs find every loss in the result, by bytes that may be no text.
func TestRestoreLossesJSON(t *testing.T) {
	var out bytes.Buffer
	r := &restoreReport{messages: newMessages(shownProgress{out: &out}), json: true}
	cause := errors.New("pack is gone")
	r.warn("out/\xff", fmt.Errorf("wrapped: %w", &restore.LostError{Ranges: []restore.Range{{Offset: 5, Length: 3}}, Cut: true, Bytes: 9, Damaged: restore.Skip, Err: cause}))
	r.warn("out/dir", &restore.LostEntriesError{Entries: 2, Of: 2, Total: 7, Bytes: 100, Err: cause})
	r.warn("out/file", errors.New("something else"))
	if n := strings.Count(out.String(), "garret: warning: "); n != 3 {
		t.Errorf("%d warnings in %q", n, out.String())
	}
	got, err := json.Marshal(r.result(restore.Stats{Lost: 9, Missing: 7, Warnings: 3, Kept: 1, Denied: []restore.Denied{{What: "owner", Entries: 4}}}))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"files":0,"directories":0,"symlinks":0,"hard_links":0,"others":0,"kept":1,"deleted":0,"bytes":0,"bytes_written":0,` +
		`"bytes_lost":9,"entries_lost":7,` +
		`"lost_files":[{"path":"out/�","path_base64":"b3V0L/8=","restored":false,"bytes":9,"ranges":[{"offset":5,"length":3}],"more_ranges":true}],` +
		`"lost_entries":[{"path":"out/dir","lost":2,"entries":2,"entries_below":7,"bytes_below":100}],` +
		`"warnings":3,"denied":{"owner":4}}`
	if string(got) != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
