package temporalserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/headers"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence"
	persistenceclient "go.temporal.io/server/common/persistence/client"
	"go.temporal.io/server/common/persistence/serialization"
	"go.temporal.io/server/common/resolver"
	"go.temporal.io/server/common/searchattribute/sadefs"
	"go.temporal.io/server/common/telemetry"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
	"google.golang.org/protobuf/types/known/durationpb"
)

// prepareNamespace registers the namespace, or brings the existing one to the
// wanted retention and adds the search attributes it lacks. Doing it twice
// changes nothing.
//
// It writes to the store of a server that is not running yet: added through a
// running one, an attribute is refused until every service's cache (2 s) has
// seen it, and nothing tells when that is.
func prepareNamespace(ctx context.Context, store config.Persistence, o Options, log *serverLog) error {
	factory := persistenceFactory(store, log)
	defer factory.Close()
	namespaces, err := factory.NewMetadataManager()
	if err != nil {
		return err
	}
	defer namespaces.Close()
	ctx = headers.SetCallerInfo(ctx, headers.SystemBackgroundHighCallerInfo)

	found, err := namespaces.GetNamespace(ctx, &persistence.GetNamespaceRequest{Name: o.Namespace})
	var missing *serviceerror.NamespaceNotFound
	if errors.As(err, &missing) {
		return createNamespace(ctx, namespaces, o)
	}
	if err != nil {
		return err
	}
	return updateNamespace(ctx, namespaces, found, o)
}

func createNamespace(ctx context.Context, namespaces persistence.MetadataManager, o Options) error {
	columns, err := assignColumns(nil, o.SearchAttributes)
	if err != nil {
		return err
	}
	fresh, err := sqliteschema.NewNamespaceConfig(clusterName, o.Namespace, false, nil) // nothing in it is SQLite's
	if err != nil {
		return err
	}
	fresh.Detail.Config.Retention = durationpb.New(o.Retention)
	fresh.Detail.Config.CustomSearchAttributeAliases = columns
	_, err = namespaces.CreateNamespace(ctx, &persistence.CreateNamespaceRequest{Namespace: fresh.Detail})
	return err
}

func updateNamespace(ctx context.Context, namespaces persistence.MetadataManager, found *persistence.GetNamespaceResponse, o Options) error {
	c := found.Namespace.Config
	columns, err := assignColumns(c.CustomSearchAttributeAliases, o.SearchAttributes)
	if err != nil {
		return err
	}
	if maps.Equal(columns, c.CustomSearchAttributeAliases) && c.Retention.AsDuration() == o.Retention {
		return nil
	}
	c.CustomSearchAttributeAliases = columns
	c.Retention = durationpb.New(o.Retention)
	found.Namespace.ConfigVersion++
	metadata, err := namespaces.GetMetadata(ctx)
	if err != nil {
		return err
	}
	return namespaces.UpdateNamespace(ctx, &persistence.UpdateNamespaceRequest{
		Namespace:           found.Namespace,
		IsGlobalNamespace:   found.IsGlobalNamespace,
		NotificationVersion: metadata.NotificationVersion, // refused if someone changed a namespace meanwhile
	})
}

// assignColumns gives each wanted attribute a column of its type in the
// visibility table and returns column → attribute. Attributes that have a column
// keep it. It fails if the columns of a type are used up, or if an attribute
// exists with another type.
func assignColumns(taken map[string]string, wanted map[string]enumspb.IndexedValueType) (map[string]string, error) {
	typeOf := sadefs.GetDBIndexSearchAttributes(nil).CustomSearchAttributes
	columns := map[string]string{}
	columnOf := map[string]string{}
	for column, attribute := range taken {
		columns[column] = attribute
		columnOf[attribute] = column
	}
	for _, attribute := range slices.Sorted(maps.Keys(wanted)) {
		want := wanted[attribute]
		if column, ok := columnOf[attribute]; ok {
			if typeOf[column] != want {
				return nil, fmt.Errorf("search attribute %s is %v since it was added, not %v: use a new name", attribute, typeOf[column], want)
			}
			continue
		}
		free := freeColumn(typeOf, columns, want)
		if free == "" {
			return nil, fmt.Errorf("search attribute %s: no column of type %v is free", attribute, want)
		}
		columns[free] = attribute
	}
	return columns, nil
}

// freeColumn returns the first column of the type that is not in use, or "".
func freeColumn(typeOf map[string]enumspb.IndexedValueType, used map[string]string, want enumspb.IndexedValueType) string {
	for _, column := range slices.Sorted(maps.Keys(typeOf)) {
		if _, taken := used[column]; !taken && typeOf[column] == want {
			return column
		}
	}
	return ""
}

func persistenceFactory(store config.Persistence, log *serverLog) persistenceclient.Factory {
	serializer := serialization.NewSerializer()
	data := persistenceclient.DataStoreFactoryProvider(clusterName, resolver.NewNoopResolver(), &store, nil, log,
		metrics.NoopMetricsHandler, telemetry.NoopTracerProvider, serializer)
	return temporal.PersistenceFactoryProvider()(persistenceclient.NewFactoryParams{
		DataStoreFactory: data,
		Cfg:              &store,
		ClusterName:      clusterName,
		MetricsHandler:   metrics.NoopMetricsHandler,
		Logger:           log,
		Serializer:       serializer,
	})
}
