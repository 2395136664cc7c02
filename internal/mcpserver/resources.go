package mcpserver

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"agentbridge/internal/bridge"
)

// uriPrefix and an id name a conversation as a resource.
const uriPrefix = "agentbridge://conversation/"

func (s *Server) addResources() {
	s.mcp.AddResourceTemplate(&mcp.ResourceTemplate{
		Name: "conversation", Title: "Conversation", URITemplate: uriPrefix + "{id}", MIMEType: "application/json",
		Description: "A conversation you are in: who is there, and its newest messages.",
	}, s.readConversation)
}

// readConversation gives a conversation to its members. For everybody else there is none.
func (s *Server) readConversation(ctx context.Context, req *mcp.ReadResourceRequest) (*mcp.ReadResourceResult, error) {
	view, err := s.view(ctx, req.Params.URI)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(view)
	if err != nil {
		return nil, err
	}
	return &mcp.ReadResourceResult{Contents: []*mcp.ResourceContents{
		{URI: req.Params.URI, MIMEType: "application/json", Text: string(text)},
	}}, nil
}

// view looks at the conversation that a resource names.
func (s *Server) view(ctx context.Context, uri string) (bridge.View, error) {
	id, ok := strings.CutPrefix(uri, uriPrefix)
	if !ok || id == "" {
		return bridge.View{}, mcp.ResourceNotFoundError(uri)
	}
	view, err := s.svc.Conversation(ctx, exchangeFrom(ctx).caller, bridge.ConversationID(id))
	if err == nil {
		return view, nil
	}
	e := bridge.AsError(err)
	switch e.Code {
	case bridge.NotFound, bridge.Denied:
		return view, mcp.ResourceNotFoundError(uri)
	case bridge.Internal:
		if !cancelled(err) {
			s.log.Error("read a resource", "error", err)
		}
	}
	data, _ := json.Marshal(e)
	return view, &jsonrpc.Error{Code: jsonrpc.CodeInternalError, Message: e.Message, Data: data}
}
