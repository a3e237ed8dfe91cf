// etcdbench: closed-loop load on one etcd member over gRPC, like etcd's own tools/benchmark, which Debian does not
// package. Values of 256 bytes that are never the same twice, a bounded set of keys. Prints one line of JSON.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/clientv3"
)

const (
	keys      = 2000
	valueSize = 256
)

func main() {
	endpoint := flag.String("endpoint", "http://127.0.0.1:2379", "client URL of the member")
	mode := flag.String("mode", "put", "put, or get (linearizable)")
	clients := flag.Int("clients", 1, "callers, each with one request under way")
	conns := flag.Int("conns", 1, "connections they share")
	dur := flag.Duration("dur", 5*time.Second, "time to measure")
	flag.Parse()

	pool := make([]*clientv3.Client, *conns)
	for i := range pool {
		config := clientv3.Config{Endpoints: []string{*endpoint}, DialTimeout: 5 * time.Second}
		client, err := clientv3.New(config)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		pool[i] = client
	}
	var counter, errors int64
	begun := time.Now()
	end := begun.Add(*dur)
	latencies := make([][]float64, *clients)
	var all sync.WaitGroup
	for i := 0; i < *clients; i++ {
		all.Add(1)
		go func(i int) {
			defer all.Done()
			for time.Now().Before(end) {
				sent := time.Now()
				if err := once(pool[i%*conns], *mode, atomic.AddInt64(&counter, 1)); err != nil {
					atomic.AddInt64(&errors, 1)
					continue
				}
				latencies[i] = append(latencies[i], float64(time.Since(sent).Microseconds())/1000)
			}
		}(i)
	}
	all.Wait()
	report(latencies, errors, time.Since(begun))
}

func once(client *clientv3.Client, mode string, n int64) error {
	key := fmt.Sprintf("bench%07d", n%keys)
	if mode == "get" {
		_, err := client.Get(context.Background(), key)
		return err
	}
	digits := fmt.Sprintf("%020d", time.Now().UnixNano())
	_, err := client.Put(context.Background(), key, digits+strings.Repeat("x", valueSize-len(digits)))
	return err
}

func report(latencies [][]float64, errors int64, took time.Duration) {
	var all []float64
	for _, some := range latencies {
		all = append(all, some...)
	}
	sort.Float64s(all)
	quantile := func(q float64) float64 {
		if len(all) == 0 {
			return 0
		}
		return all[int(float64(len(all)-1)*q)]
	}
	json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"operations": len(all), "errors": errors, "seconds": took.Seconds(),
		"p50Ms": quantile(0.5), "p99Ms": quantile(0.99),
	})
}
