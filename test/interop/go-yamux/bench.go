package main

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/yamux"
)

// As bench/yamux.ts measures the others: both ends in this one process, joined by loopback TCP.
const (
	echoStreams = 50
	echoBytes   = 200
	bulkBytes   = 64 * 1024
	warm        = 300 * time.Millisecond
)

type row struct {
	Name      string  `json:"name"`
	OneRate   float64 `json:"oneRate"`
	ManyRate  float64 `json:"manyRate"`
	CPUMicros float64 `json:"cpuMicros"`
	BulkRate  float64 `json:"bulkRate"`
}

func bench(duration time.Duration) error {
	one, _, err := benchEcho(1, duration)
	if err != nil {
		return err
	}
	many, cpu, err := benchEcho(echoStreams, duration)
	if err != nil {
		return err
	}
	bulk, err := benchBulk(duration)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(row{"hashicorp/yamux (Go), TCP", one, many, cpu, bulk})
}

// pair gives both ends of a session; accepted streams go to serve.
func pair(serve func(*yamux.Stream)) (*yamux.Session, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	near, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return nil, err
	}
	far, err := listener.Accept()
	if err != nil {
		return nil, err
	}
	server, err := yamux.Server(far, config())
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			stream, err := server.AcceptStream()
			if err != nil {
				return
			}
			go serve(stream)
		}
	}()
	return yamux.Client(near, config())
}

func benchEcho(count int, duration time.Duration) (rate, cpuMicros float64, err error) {
	client, err := pair(func(stream *yamux.Stream) {
		message := make([]byte, echoBytes)
		for {
			n, err := stream.Read(message)
			if err != nil {
				return
			}
			stream.Write(message[:n])
		}
	})
	if err != nil {
		return 0, 0, err
	}
	defer client.Close()
	var echoes atomic.Int64
	for i := 0; i < count; i++ {
		stream, err := client.OpenStream()
		if err != nil {
			return 0, 0, err
		}
		go func() {
			message := make([]byte, echoBytes)
			for {
				if _, err := stream.Write(message); err != nil {
					return
				}
				if _, err := io.ReadFull(stream, message); err != nil {
					return
				}
				echoes.Add(1)
			}
		}()
	}
	time.Sleep(warm)
	before, cpuBefore, started := echoes.Load(), cpuTime(), time.Now()
	time.Sleep(duration)
	done := float64(echoes.Load() - before)
	return done / time.Since(started).Seconds(), float64((cpuTime() - cpuBefore).Microseconds()) / done, nil
}

func benchBulk(duration time.Duration) (float64, error) {
	var received atomic.Int64
	client, err := pair(func(stream *yamux.Stream) {
		chunk := make([]byte, bulkBytes)
		for {
			n, err := stream.Read(chunk)
			if err != nil {
				return
			}
			received.Add(int64(n))
		}
	})
	if err != nil {
		return 0, err
	}
	defer client.Close()
	stream, err := client.OpenStream()
	if err != nil {
		return 0, err
	}
	go func() {
		for chunk := make([]byte, bulkBytes); ; {
			if _, err := stream.Write(chunk); err != nil {
				return
			}
		}
	}()
	time.Sleep(warm)
	before, started := received.Load(), time.Now()
	time.Sleep(duration)
	return float64(received.Load()-before) / time.Since(started).Seconds(), nil
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
