// Go's net/http, stopped as the documentation of Server.Shutdown shows.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const greeting = "Hello from Kubernetes!"

var down = bytes.Repeat([]byte("x"), 64*1024)

var blockFor = 5 * time.Millisecond

type pod struct {
	Name      string    `json:"name"`
	Namespace string    `json:"namespace"`
	Ready     bool      `json:"ready"`
	Restarts  uint32    `json:"restarts"`
	Labels    [2]string `json:"labels"`
}

func main() {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", text(func() string { return greeting }))
	routes.HandleFunc("GET /json", sendJSON)
	routes.HandleFunc("GET /down", sendDown)
	routes.HandleFunc("POST /up", up)
	routes.HandleFunc("GET /work", text(work))
	routes.HandleFunc("GET /block", text(block))
	routes.HandleFunc("GET /events", events)
	routes.HandleFunc("POST /say", say)
	routes.HandleFunc("GET /healthz", text(ok))
	routes.HandleFunc("GET /readyz", text(ok))

	if wait, err := time.ParseDuration(os.Getenv("BLOCK")); err == nil {
		blockFor = wait
	}
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	server := &http.Server{Addr: "0.0.0.0:" + port, Handler: routes}

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	stopped := make(chan error)
	go func() {
		<-stop.Done()
		deadline, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		stopped <- server.Shutdown(deadline)
	}()

	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	if err := <-stopped; err != nil {
		log.Fatal(err)
	}
}

func text(answer func() string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(w, answer())
	}
}

func sendJSON(w http.ResponseWriter, _ *http.Request) {
	answer, err := json.Marshal(pod{
		Name:      "hello-5d4f8c7b9-x2x7q",
		Namespace: "default",
		Ready:     true,
		Restarts:  0,
		Labels:    [2]string{"app=hello", "tier=web"},
	})
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(answer)
}

func sendDown(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", fmt.Sprint(len(down)))
	w.Write(down)
}

func up(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, len(body))
}

// How many events wait for a client that lags behind.
const backlog = 16

// news holds a channel for each client of events.
var news = struct {
	sync.Mutex
	subscribers map[chan string]struct{}
}{subscribers: map[chan string]struct{}{}}

func events(w http.ResponseWriter, r *http.Request) {
	texts := make(chan string, backlog)
	news.Lock()
	news.subscribers[texts] = struct{}{}
	news.Unlock()
	defer func() {
		news.Lock()
		delete(news.subscribers, texts)
		news.Unlock()
	}()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-cache")
	flusher := http.NewResponseController(w)
	flusher.Flush()
	for {
		select {
		case text := <-texts:
			fmt.Fprintf(w, "data: %s\n\n", text)
			if flusher.Flush() != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}

func say(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	text := string(body)
	news.Lock()
	for texts := range news.subscribers {
		// Who lags behind misses what does not fit.
		select {
		case texts <- text:
		default:
		}
	}
	news.Unlock()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, "told")
}

// work is the loop of the Rust variants, step for step.
func work() string {
	hash := uint64(0xcbf29ce484222325)
	for step := uint64(0); step < 500_000; step++ {
		hash = (hash ^ step) * 0x100000001b3
		hash ^= hash >> 29
	}
	return fmt.Sprintf("%016x", hash)
}

func block() string {
	time.Sleep(blockFor)
	return "slept"
}

func ok() string {
	return "ok"
}
