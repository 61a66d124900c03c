// The Go driver of Cassandra (gocql), unmodified: drivertest ADDRESS... ends with "N passed, N failed".
package main

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

var session *gocql.Session

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func equal(got, wanted any) {
	if !reflect.DeepEqual(got, wanted) {
		panic(fmt.Sprintf("got %v, wanted %v", got, wanted))
	}
}

func run(statement string, values ...any) { check(session.Query(statement, values...).Exec()) }

func fresh(table, columns string) {
	run("DROP TABLE IF EXISTS golang." + table)
	run("CREATE TABLE golang." + table + " (" + columns + ")")
}

func cluster(addresses []string) *gocql.ClusterConfig {
	c := gocql.NewCluster(addresses...)
	c.Timeout, c.ConnectTimeout = 20*time.Second, 10*time.Second
	c.PoolConfig.HostSelectionPolicy = gocql.TokenAwareHostPolicy(gocql.RoundRobinHostPolicy())
	return c
}

func metadata(addresses []string) {
	hosts := session.GetHosts()
	var seen []string
	for _, h := range hosts {
		seen = append(seen, h.ConnectAddress().String())
	}
	sort.Strings(seen)
	wanted := append([]string{}, addresses...)
	sort.Strings(wanted)
	equal(seen, wanted)
	copies := len(addresses)
	if copies > 3 {
		copies = 3
	}
	run(fmt.Sprintf("CREATE KEYSPACE IF NOT EXISTS golang WITH replication = "+
		"{'class': 'SimpleStrategy', 'replication_factor': %d}", copies))
	fresh("kv", "k text, c int, v text, PRIMARY KEY (k, c)")
	check(session.AwaitSchemaAgreement(context.Background()))
	var t *gocql.TableMetadata
	for end := time.Now().Add(20 * time.Second); t == nil; { // it hears of the change by an event
		if k, err := session.KeyspaceMetadata("golang"); err == nil {
			t = k.Tables["kv"]
		}
		if time.Now().After(end) {
			panic("the driver does not know of the new table")
		}
	}
	equal(t.PartitionKey[0].Name, "k")
	equal(t.ClusteringColumns[0].Name, "c")
	equal(len(t.Columns), 3)
}

func prepared(_ []string) {
	run("INSERT INTO golang.kv (k, c, v) VALUES (?, ?, ?)", "a", 1, "ü")
	var v string
	check(session.Query("SELECT v FROM golang.kv WHERE k = ? AND c = ?", "a", 1).Scan(&v))
	equal(v, "ü")
	err := session.Query("SELECT v FROM golang.kv WHERE k = ? AND c = ?", "a", 9).Scan(&v)
	equal(err, gocql.ErrNotFound)
}

func batches(_ []string) {
	for _, kind := range []gocql.BatchType{gocql.LoggedBatch, gocql.UnloggedBatch} {
		b := session.Batch(kind)
		for c := 0; c < 10; c++ {
			b.Query("INSERT INTO golang.kv (k, c, v) VALUES (?, ?, ?)", "batch", c, "v")
		}
		check(b.Exec())
		var n int
		check(session.Query("SELECT count(*) FROM golang.kv WHERE k = 'batch'").Scan(&n))
		equal(n, 10)
		run("DELETE FROM golang.kv WHERE k = 'batch'")
	}
}

func paging(_ []string) {
	fresh("paged", "k int, c int, PRIMARY KEY (k, c)")
	var lanes sync.WaitGroup
	for lane := 0; lane < 8; lane++ {
		lanes.Add(1)
		go func(from int) {
			defer lanes.Done()
			for i := from; i < 1000; i += 8 {
				check(session.Query("INSERT INTO golang.paged (k, c) VALUES (?, ?)", i%7, i).Exec())
			}
		}(lane)
	}
	lanes.Wait()
	seen := map[int]bool{}
	var state []byte
	pages := 0
	for {
		iter := session.Query("SELECT c FROM golang.paged").PageSize(10).PageState(state).Iter()
		if iter.NumRows() > 10 {
			panic("a page of more than ten rows")
		}
		state = iter.PageState()
		rows := iter.NumRows()
		for i, c := 0, 0; i < rows && iter.Scan(&c); i++ {
			seen[c] = true
		}
		check(iter.Close())
		pages++
		if len(state) == 0 {
			break
		}
	}
	equal(len(seen), 1000)
	if pages < 100 {
		panic(fmt.Sprint(pages, " pages"))
	}
}

func collections(_ []string) {
	fresh("held", "k int PRIMARY KEY, l list<int>, s set<text>, m map<text, bigint>")
	run("INSERT INTO golang.held (k, l, s, m) VALUES (?, ?, ?, ?)", 1, []int{3, 1}, []string{"b", "a"},
		map[string]int64{"x": 1})
	run("UPDATE golang.held SET l = l + ?, s = s - ?, m[?] = ? WHERE k = 1", []int{2}, []string{"a"}, "y", 2)
	var l []int
	var s []string
	var m map[string]int64
	check(session.Query("SELECT l, s, m FROM golang.held WHERE k = 1").Scan(&l, &s, &m))
	equal(l, []int{3, 1, 2})
	equal(s, []string{"b"})
	equal(m, map[string]int64{"x": 1, "y": 2})
}

func timeToLive(_ []string) {
	run("INSERT INTO golang.kv (k, c, v) VALUES ('ttl', 1, 'x') USING TTL ?", 500)
	var ttl int
	check(session.Query("SELECT ttl(v) FROM golang.kv WHERE k = 'ttl'").Scan(&ttl))
	if ttl <= 490 || ttl > 500 {
		panic(ttl)
	}
}

func consistencyLevels(_ []string) {
	for _, level := range []gocql.Consistency{gocql.One, gocql.Quorum, gocql.All, gocql.LocalOne,
		gocql.LocalQuorum, gocql.EachQuorum, gocql.Any} {
		check(session.Query("INSERT INTO golang.kv (k, c, v) VALUES ('levels', ?, 'x')", int(level)).
			Consistency(level).Exec())
		var v string
		check(session.Query("SELECT v FROM golang.kv WHERE k = 'levels' AND c = ?", int(level)).
			Consistency(gocql.All).Scan(&v))
		equal(v, "x")
	}
}

// Which host answered, of each query.
type observer struct{ host string }

func (o *observer) ObserveQuery(_ context.Context, q gocql.ObservedQuery) {
	o.host = q.Host.ConnectAddress().String()
}

// With one copy and the token-aware policy a key is always asked of the same host, and each of them
// has some. That it is the replica, the host would say: torc_forwards_total stays as it is.
func tokenAwareRouting(addresses []string) {
	run("CREATE KEYSPACE IF NOT EXISTS golang1 WITH replication = " +
		"{'class': 'SimpleStrategy', 'replication_factor': 1}")
	run("CREATE TABLE IF NOT EXISTS golang1.kv (k text PRIMARY KEY, v text)")
	c := cluster(addresses)
	c.Keyspace = "golang1"
	one, err := c.CreateSession()
	check(err)
	defer one.Close()
	used := map[string]int{}
	first := map[int]string{}
	for round := 0; round < 2; round++ {
		for i := 0; i < 100; i++ {
			var o observer
			check(one.Query("INSERT INTO kv (k, v) VALUES (?, 'v')", fmt.Sprint("key ", i)).Observer(&o).Exec())
			if round == 0 {
				first[i] = o.host
				used[o.host]++
			} else {
				equal(o.host, first[i])
			}
		}
	}
	equal(len(used), len(addresses))
}

func siblings(_ []string) {
	run("DROP TABLE IF EXISTS golang.carts")
	run("CREATE TABLE golang.carts (k int PRIMARY KEY, v int) WITH conflicts = 'siblings'")
	const write = "UPDATE golang.carts USING CAUSALITY ? SET v = ? WHERE k = 1"
	const all = "SELECT siblings(v), causality() FROM golang.carts WHERE k = 1"
	run(write, nil, 1)
	run(write, nil, 2)
	var v int
	var values []int
	var seen []byte
	iter := session.Query("SELECT v FROM golang.carts WHERE k = 1").Iter()
	warnings := iter.Warnings()
	if !iter.Scan(&v) || len(warnings) != 1 || !strings.Contains(warnings[0], "golang.carts") {
		panic(fmt.Sprint(v, warnings))
	}
	check(iter.Close())
	equal(v, 2)
	check(session.Query(all).Scan(&values, &seen))
	equal(values, []int{2, 1})
	run(write, seen, 3)
	check(session.Query(all).Scan(&values, &seen))
	equal(values, []int{3})
	iter = session.Query("SELECT v FROM golang.carts WHERE k = 1").
		CustomPayload(map[string][]byte{"torc_causality": {}}).Iter()
	payload := iter.GetCustomPayload()
	check(iter.Close())
	check(session.Query("UPDATE golang.carts SET v = 4 WHERE k = 1").CustomPayload(payload).Exec())
	check(session.Query(all).Scan(&values, &seen))
	equal(values, []int{4})
}

func errors(_ []string) {
	for statement, part := range map[string]string{"SELEC": "SELEC",
		"SELECT * FROM golang.nowhere": "nowhere", "CREATE TABLE golang.kv (k int PRIMARY KEY)": "kv"} {
		err := session.Query(statement).Exec()
		if err == nil || !strings.Contains(err.Error(), part) {
			panic(fmt.Sprintf("%s: %v", statement, err))
		}
	}
}

func main() {
	addresses := os.Args[1:]
	var err error
	session, err = cluster(addresses).CreateSession()
	check(err)
	defer session.Close()
	passed, failed := 0, 0
	for _, t := range []struct {
		name string
		run  func([]string)
	}{{"metadata", metadata}, {"prepared_statements", prepared}, {"batches", batches},
		{"paging", paging}, {"collections", collections}, {"time_to_live", timeToLive},
		{"consistency_levels", consistencyLevels}, {"token_aware_routing", tokenAwareRouting},
		{"siblings", siblings}, {"errors", errors}, {"sensors_schema", sensorsSchema}, {"sensors_readings", sensorsReadings},
		{"sensors_leases", sensorsLeases}, {"sensors_counters", sensorsCounters}} {
		func() {
			defer func() {
				if why := recover(); why != nil {
					failed++
					fmt.Printf("FAILED  %s: %v\n", t.name, why)
				} else {
					passed++
					fmt.Printf("ok      %s\n", t.name)
				}
			}()
			t.run(addresses)
		}()
	}
	fmt.Printf("%d passed, %d failed\n", passed, failed)
	if failed > 0 {
		os.Exit(1)
	}
}
