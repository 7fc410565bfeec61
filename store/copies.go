package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"garret/store/backend"
)

// Configs, key slots and snapshots are small and nothing else can stand in for
// them: each is stored twice. Packs and index segments have parity instead.

// ErrRepairable is part of what is said of a damaged or missing copy whose twin
// is sound: nothing is lost.
var ErrRepairable = errors.New("the other copy is sound, and `garret repair` restores this one")

// putBoth stores an object and then its second copy. Where there is only a
// copy, the object was lost: the copy is the last to come and the first to go.
func putBoth(ctx context.Context, b backend.Backend, name string, data []byte) error {
	if err := b.Put(ctx, name, data); err != nil {
		return err
	}
	return b.Put(ctx, secondCopy(name), data)
}

// deleteBoth removes an object's second copy, and then the object; then once
// more its second copy, which a repair that saw the object without one may have
// put meanwhile (see repairRun.writeCopy): alone it would bring the object back.
func deleteBoth(ctx context.Context, b backend.Backend, name string) error {
	for _, name := range []string{secondCopy(name), name, secondCopy(name)} {
		if err := b.Delete(ctx, name); err != nil && !missing(err) {
			return err
		}
	}
	return nil
}

// errMissing is said of a copy that is not there, while the object is.
var errMissing = errors.New("it is missing")

// readCopies reads an object of at most limit bytes, or its second copy if
// that one is missing or accept refuses it. problems names each copy that is
// not sound; err is set when neither is. It is backend.ErrNotExist only if
// both are missing: then the object was removed.
func readCopies(ctx context.Context, b backend.Backend, name string, limit int64, accept func(data []byte) error) (problems []error, err error) {
	var failed [2]error
	for i, name := range []string{name, secondCopy(name)} {
		data, err := backend.ReadAll(ctx, b, name, limit)
		if err == nil {
			err = accept(data)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err == nil {
			if i == 1 {
				problems = []error{fmt.Errorf("%w; %w", copyProblem(strings.TrimSuffix(name, copySuffix), failed[0]), ErrRepairable)}
			}
			return problems, nil
		}
		failed[i] = err
	}
	if missing(failed[0]) && missing(failed[1]) {
		return nil, failed[0]
	}
	problems = []error{copyProblem(name, failed[0]), copyProblem(secondCopy(name), failed[1])}
	return problems, fmt.Errorf("%w; %w", problems[0], problems[1])
}

func copyProblem(name string, err error) error {
	if missing(err) {
		err = errMissing
	}
	return fmt.Errorf("%s: %w", name, err)
}

// putConfig stores the copies of config n, the second first: without the first
// an init is not complete.
func putConfig(ctx context.Context, b backend.Backend, n int, data []byte) error {
	for _, second := range []bool{true, false} {
		if err := b.Put(ctx, configName(n, second), data); err != nil {
			return err
		}
	}
	return nil
}
