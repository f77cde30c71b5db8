package stores

import (
	"context"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// startCluster starts a cluster of two nodes, each with half of the keys.
func startCluster(t *testing.T) string {
	t.Helper()
	ctx := context.Background()
	var nodes [2]*redis.Client
	var addresses [2]string
	for i, slots := range [][2]int{{0, 8191}, {8192, 16383}} {
		_, addresses[i] = startRedis(t, "--cluster-enabled", "yes", "--cluster-port", freePort(t))
		nodes[i] = redis.NewClient(&redis.Options{Addr: addresses[i]})
		defer nodes[i].Close()
		if err := nodes[i].ClusterAddSlotsRange(ctx, slots[0], slots[1]).Err(); err != nil {
			t.Fatal(err)
		}
		if err := nodes[i].Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			t.Fatal(err)
		}
	}
	bus, err := nodes[1].ConfigGet(ctx, "cluster-port").Result()
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(addresses[1], ":")
	if err := nodes[0].Do(ctx, "cluster", "meet", host, port, bus["cluster-port"]).Err(); err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		eventually(t, "the cluster is complete", func() bool {
			return strings.Contains(node.ClusterInfo(ctx).Val(), "cluster_state:ok")
		})
	}
	return "cluster:" + addresses[0]
}

func TestRedisCluster(t *testing.T) {
	testSessions(t, startApp(t, startCluster(t)))
}
