package mcpserver

import (
	"net/http"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/oauthex"
)

// metadataPath is where clients look for what protects /mcp (RFC 9728, section 3.1).
const metadataPath = "/.well-known/oauth-protected-resource/mcp"

// Metadata serves what RFC 9728 asks of a protected resource. No authorization server is named: tokens come from a person's invite
// or command, and a client that looks for one learns that there is none.
func (s *Server) Metadata() http.Handler {
	if s.opt.URL == "" {
		return http.NotFoundHandler()
	}
	return auth.ProtectedResourceMetadataHandler(&oauthex.ProtectedResourceMetadata{
		Resource: s.opt.URL + "/mcp", ResourceName: "agentbridge", BearerMethodsSupported: []string{"header"},
	})
}
