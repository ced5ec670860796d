package temporalserver

import (
	"net"
	"time"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

const (
	// clusterName is written into every namespace; it can never change.
	clusterName = "active"

	// shards can never change either. Four let as many history transactions
	// wait for the disk together; more gained nothing on small machines.
	shards = 4
)

// dynamicConfig is fixed for the life of the process; unused.go lists what it turns off.
func dynamicConfig() dynamicconfig.Client {
	settings := dynamicconfig.StaticClient{
		// One partition per task queue (4 by default): on one host the others
		// only add hops. The slowest twentieth of polled work was 2.5 times
		// faster with one.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,

		// List and count calls per second and namespace, and the burst; 10 by
		// default, which a web UI left open and one sweep already exhaust.
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 200,

		// Workers that write visibility, 512 by default. On two cores they compete
		// with the workflows themselves; a workflow that has ended before its start
		// is written needs only one write.
		dynamicconfig.VisibilityProcessorSchedulerWorkerCount.Key(): 4,

		// Open workflows kept in memory; 128,000 by default, which is sized for
		// a machine of its own.
		dynamicconfig.HistoryCacheHostLevelMaxSize.Key(): 8192,

		// The server would ask version-info.temporal.io for news of itself: a
		// bank's machine calls nobody it was not told to call.
		dynamicconfig.EnableServerVersionCheck.Key(): false,

		// The rest are the server's defaults, spelled out because we rely on
		// them: the first workflow task comes in the answer to the start (a
		// quarter to a half less latency); updates, also with start, and
		// schedules are accepted; workers may name a deployment.
		dynamicconfig.EnableEagerWorkflowStart.Key():                           true,
		dynamicconfig.FrontendEnableUpdateWorkflowExecution.Key():              true,
		dynamicconfig.FrontendEnableUpdateWorkflowExecutionAsyncAccepted.Key(): true,
		dynamicconfig.FrontendEnableSchedules.Key():                            true,
		dynamicconfig.EnableDeploymentVersions.Key():                           true,
	}
	for _, feature := range unused {
		settings[feature.Key()] = false
	}
	return settings
}

// serverConfig is the static configuration: four services, one host, no
// metrics or profiling port, no HTTP API beside gRPC, no archival.
func serverConfig(p ports, store config.Persistence) *config.Config {
	disabled := "disabled"
	return &config.Config{
		Global: config.Global{
			Membership: config.Membership{
				MaxJoinDuration:  30 * time.Second,
				BroadcastAddress: p.frontend.ip.String(),
			},
		},
		Persistence: store,
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: p.frontend.String()},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Services: map[string]config.Service{
			string(primitives.FrontendService): service(p.frontend),
			string(primitives.HistoryService):  service(p.history),
			string(primitives.MatchingService): service(p.matching),
			string(primitives.WorkerService):   service(p.worker),
		},
		Archival: config.Archival{
			History:    config.HistoryArchival{State: disabled},
			Visibility: config.VisibilityArchival{State: disabled},
		},
		NamespaceDefaults: config.NamespaceDefaults{Archival: config.ArchivalNamespaceDefaults{
			History:    config.HistoryArchivalNamespaceDefaults{State: disabled},
			Visibility: config.VisibilityArchivalNamespaceDefaults{State: disabled},
		}},
		PublicClient: config.PublicClient{HostPort: p.frontend.String()},
	}
}

func service(a address) config.Service {
	return config.Service{RPC: config.RPC{GRPCPort: a.port, BindOnIP: a.ip.String()}}
}

// staticHosts tells every service where the others are, so that no gossip
// ring (four more ports, a second of joining) is needed.
func staticHosts(c *config.Config) map[primitives.ServiceName]static.Hosts {
	hosts := map[primitives.ServiceName]static.Hosts{}
	for name, s := range c.Services {
		a := address{ip: net.ParseIP(s.RPC.BindOnIP), port: s.RPC.GRPCPort}.String()
		hosts[primitives.ServiceName(name)] = static.SingleLocalHost(a)
	}
	return hosts
}

// run starts all services of c and returns when each said it started; they may
// not answer yet. After an error none is left running, except that one that gave
// up while being built may keep its port: the process is expected to end.
func run(c *config.Config, log *serverLog) (_ temporal.Server, err error) {
	// The server reports what it cannot cope with through Logger.Fatal, which
	// panics here (log.go). While it is being built that is on this goroutine.
	defer func() {
		if f, ok := recover().(fatalError); ok {
			err = f
		}
	}()
	server, err := temporal.NewServer(
		temporal.WithConfig(c),
		temporal.ForServices(temporal.DefaultServices),
		temporal.WithStaticHosts(staticHosts(c)),
		temporal.WithLogger(log),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithDynamicConfigClient(dynamicConfig()),
	)
	if err != nil {
		return nil, err
	}
	if err := server.Start(); err != nil {
		_ = server.Stop() // the first error is the one to report
		return nil, err
	}
	return server, nil
}
