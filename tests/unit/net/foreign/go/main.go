// Every form of call by grpc-go against the service in net_grpc_service.py; prints what it saw as one JSON object.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// raw passes messages as bytes.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (raw) Unmarshal(data []byte, v any) error { *v.(*[]byte) = bytes.Clone(data); return nil }
func (raw) Name() string                       { return "raw" }

var connection *grpc.ClientConn

func unary(ctx context.Context, method string, body []byte, options ...grpc.CallOption) ([]byte, error) {
	var reply []byte
	err := connection.Invoke(ctx, method, &body, &reply, options...)
	return reply, err
}

func open(ctx context.Context, method string) grpc.ClientStream {
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	must(err)
	return stream
}

func send(stream grpc.ClientStream, body []byte) { must(stream.SendMsg(&body)) }

func receive(stream grpc.ClientStream) (reply []byte, err error) {
	err = stream.RecvMsg(&reply)
	return
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func told(err error) []any {
	return []any{int(status.Code(err)), status.Convert(err).Message()}
}

var cases = map[string]func(ctx context.Context) any{
	"unary": func(ctx context.Context) any {
		reply, err := unary(ctx, "/t/echo", []byte("hello"))
		must(err)
		return string(reply)
	},
	"server streaming": func(ctx context.Context) any {
		stream := open(ctx, "/t/count")
		send(stream, []byte("500"))
		must(stream.CloseSend())
		for count := 0; ; count++ {
			if _, err := receive(stream); err == io.EOF {
				return count
			} else {
				must(err)
			}
		}
	},
	"client streaming": func(ctx context.Context) any {
		stream := open(ctx, "/t/total")
		for range 200 {
			send(stream, make([]byte, 5000))
		}
		must(stream.CloseSend())
		reply, err := receive(stream)
		must(err)
		return string(reply)
	},
	"both in turn": func(ctx context.Context) any {
		stream, sizes := open(ctx, "/t/talk"), []int{}
		for _, size := range []int{1, 2, 100_000} {
			send(stream, make([]byte, size))
			reply, err := receive(stream)
			must(err)
			sizes = append(sizes, len(reply))
		}
		must(stream.CloseSend())
		_, err := receive(stream)
		return append(sizes, map[bool]int{true: 0, false: -1}[err == io.EOF])
	},
	"an error": func(ctx context.Context) any {
		_, err := unary(ctx, "/t/refuse", nil)
		return told(err)
	},
	"an unknown method": func(ctx context.Context) any {
		_, err := unary(ctx, "/t/missing", nil)
		return told(err)[0]
	},
	"gzip": func(ctx context.Context) any {
		reply, err := unary(ctx, "/t/zipped", bytes.Repeat([]byte("z"), 100_000), grpc.UseCompressor("gzip"))
		must(err)
		return len(reply)
	},
	"the deadline": func(ctx context.Context) any {
		short, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		reply, err := unary(short, "/t/remaining", nil)
		must(err)
		return string(reply)
	},
	"a passed deadline": func(ctx context.Context) any {
		short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
		_, err := unary(short, "/t/sleep", nil)
		return told(err)[0]
	},
	"cancelled": func(ctx context.Context) any {
		short, cancel := context.WithCancel(ctx)
		stream := open(short, "/t/sleep")
		send(stream, nil)
		_, err := stream.Header()
		must(err)
		cancel()
		_, err = receive(stream)
		return told(err)[0]
	},
	"large": func(ctx context.Context) any {
		body := bytes.Repeat([]byte("0123456789abcdef"), 1<<18)
		reply, err := unary(ctx, "/t/echo", body)
		must(err)
		return bytes.Equal(reply, body)
	},
	"metadata": func(ctx context.Context) any {
		var head, trailer metadata.MD
		sent := metadata.AppendToOutgoingContext(ctx, "x-sent", "yes", "x-sent-bin", "\x00\xff\x01")
		_, err := unary(sent, "/t/echo", nil, grpc.Header(&head), grpc.Trailer(&trailer))
		must(err)
		return []any{head["x-seen"][0], []byte(head["x-seen-bin"][0]), trailer["x-last"][0], []byte(trailer["x-last-bin"][0])}
	},
}

func main() {
	var err error
	connection, err = grpc.NewClient(os.Args[1],
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{}), grpc.MaxCallRecvMsgSize(1<<24)))
	must(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	seen := map[string]any{}
	for name, act := range cases {
		seen[name] = act(ctx)
	}
	answer, err := json.Marshal(seen)
	must(err)
	fmt.Println(string(answer))
}
