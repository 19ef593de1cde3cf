// The Go side of the interop test: hashicorp/yamux over TCP.
//
//	go-yamux serve            listens, prints the port, echoes every stream of every session
//	go-yamux dial ADDR        opens streams, sends megabytes, expects them back, prints "ok" or fails
//	go-yamux bench DURATION   measures both ends in one process, prints a line of JSON (bench.go)
//
// The first two half-close: they send all, close their side, and still expect the rest of the other.
package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

const (
	streams     = 40
	streamBytes = 300_000
)

func main() {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "serve":
		err = serve()
	case len(os.Args) == 3 && os.Args[1] == "dial":
		err = dial(os.Args[2])
	case len(os.Args) == 3 && os.Args[1] == "bench":
		var duration time.Duration
		if duration, err = time.ParseDuration(os.Args[2]); err == nil {
			err = bench(duration)
		}
	default:
		err = fmt.Errorf("usage: go-yamux serve | dial ADDR | bench DURATION")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func config() *yamux.Config {
	c := yamux.DefaultConfig()
	c.EnableKeepAlive = true
	c.KeepAliveInterval = 100 * time.Millisecond
	// It warns of every window update that crosses the end of its stream.
	c.LogOutput = io.Discard
	return c
}

func serve() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	// The test ends us by closing our standard input.
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		session, err := yamux.Server(conn, config())
		if err != nil {
			return err
		}
		go echoAll(session)
	}
}

func echoAll(session *yamux.Session) {
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			return
		}
		go func() {
			defer stream.Close()
			io.Copy(stream, stream)
		}()
	}
}

func dial(address string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	session, err := yamux.Client(conn, config())
	if err != nil {
		return err
	}
	if _, err := session.Ping(); err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	failures := make(chan error, streams)
	var group sync.WaitGroup
	for i := 0; i < streams; i++ {
		group.Add(1)
		go func(seed int64) {
			defer group.Done()
			if err := exchange(session, seed); err != nil {
				failures <- err
			}
		}(int64(i))
	}
	group.Wait()
	close(failures)
	for err := range failures {
		return err
	}
	if err := session.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	fmt.Println("ok")
	return nil
}

func exchange(session *yamux.Session, seed int64) error {
	stream, err := session.OpenStream()
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	sent := make([]byte, streamBytes)
	rand.New(rand.NewSource(seed)).Read(sent)
	go func() {
		stream.Write(sent)
		stream.Close() // half: what comes back is still read
	}()
	received, err := io.ReadAll(stream)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	want, got := sha256.Sum256(sent), sha256.Sum256(received)
	if !bytes.Equal(want[:], got[:]) {
		return fmt.Errorf("stream %d: sent %d bytes, got %d others back", stream.StreamID(), len(sent), len(received))
	}
	return nil
}
