package kafkabroker

import (
	"context"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Grow gives a topic more partitions, as an administrator does; it has that many afterwards.
func Grow(addr, topic string, partitions int32) error {
	request := kmsg.NewPtrCreatePartitionsRequest()
	grown := kmsg.NewCreatePartitionsRequestTopic()
	grown.Topic, grown.Count = topic, partitions
	request.Topics = append(request.Topics, grown)
	return administer(addr, func(ctx context.Context, client *kgo.Client) error {
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(response.Topics[0].ErrorCode)
	})
}

// Delete removes a topic with everything in it.
func Delete(addr, topic string) error {
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TopicNames = []string{topic}
	named := kmsg.NewDeleteTopicsRequestTopic()
	named.Topic = &topic
	request.Topics = append(request.Topics, named)
	return administer(addr, func(ctx context.Context, client *kgo.Client) error {
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(response.Topics[0].ErrorCode)
	})
}

// Recreate deletes a topic and creates an empty one of its name.
func Recreate(addr, topic string, partitions int32) error {
	if err := Delete(addr, topic); err != nil {
		return err
	}
	return createTopics(addr, []string{topic}, partitions)
}

func administer(addr string, do func(context.Context, *kgo.Client) error) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), topicsLimit)
	defer cancel()
	return do(ctx, client)
}
