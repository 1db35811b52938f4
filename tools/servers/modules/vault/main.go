// Command vault is HashiCorp Vault's own server with fewer plugins than its release has.
//
// Core, HTTP API, policies, tokens, seal, key/value store and the two ways to log in are Vault's, as they are.
// Left out are the storages and logins of clouds: they are two thirds of the release's packages, and
// building those alone would take longer than everything else of these tests.
package main

import (
	"crypto/tls"
	"flag"
	"net"
	"net/http"
	"os"
	"time"

	log "github.com/hashicorp/go-hclog"
	kubernetes "github.com/hashicorp/vault-plugin-auth-kubernetes"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/builtin/credential/approle"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

// noPlugins is the registry of built-in plugins: those that are here are handed to the core directly.
type noPlugins struct{}

func (noPlugins) Contains(string, consts.PluginType) bool { return false }
func (noPlugins) Get(string, consts.PluginType) (func() (interface{}, error), bool) {
	return nil, false
}
func (noPlugins) Keys(consts.PluginType) []string { return nil }
func (noPlugins) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, true
}
func (noPlugins) IsBuiltinEntPlugin(string, consts.PluginType) bool { return false }

func main() {
	address := flag.String("address", "127.0.0.1:8200", "host and port to listen on")
	certificate := flag.String("certificate", "", "file with the certificate, PEM")
	key := flag.String("key", "", "file with its key, PEM")
	flag.Parse()
	if err := serve(*address, *certificate, *key); err != nil {
		log.Default().Error("vault ended", "error", err)
		os.Exit(1)
	}
}

// serve runs a sealed server that is not initialised yet and forgets everything when it ends.
func serve(address, certificate, key string) error {
	logger := log.New(&log.LoggerOptions{Name: "vault", Level: log.Info})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return err
	}
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:           storage,
		Logger:             logger,
		DisableMlock:       true,
		BuiltinRegistry:    noPlugins{},
		LogicalBackends:    map[string]logical.Factory{"kv": kv.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory, "kubernetes": kubernetes.Factory},
	})
	if err != nil {
		return err
	}
	handler := vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core:           core,
		ListenerConfig: &configutil.Listener{},
	})
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
	}
	return server.ServeTLS(listener, "", "")
}
