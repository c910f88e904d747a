package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// The client that the kubeconfig's first context is, and the token of its second.
const (
	clientName  = "fake-admin"
	firstToken  = "fake-token-1"
	clientGroup = "system:masters"
)

// A pair is a certificate with its key, as PEM.
type pair struct {
	cert, key []byte
	parsed    *x509.Certificate
	private   *ecdsa.PrivateKey
}

// issue makes a certificate that issuer signs (nil: itself).
func issue(template *x509.Certificate, issuer *pair) (*pair, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(30 * 24 * time.Hour)
	parent, signer := template, private
	if issuer != nil {
		parent, signer = issuer.parsed, issuer.private
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, signer)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	key, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return nil, err
	}
	return &pair{
		cert:   pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		key:    pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key}),
		parsed: parsed, private: private,
	}, nil
}

// A pki is the server's certificate, and a client's that it trusts: of the authority clients.
type pki struct{ ca, clients, server, admin *pair }

func issueServer(ca *pair) (*pair, error) {
	return issue(&x509.Certificate{Subject: pkix.Name{CommonName: "fake-apiserver"}, DNSNames: []string{"localhost", "kubernetes.default.svc"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, ca)
}

func newPKI() (*pki, error) {
	var p pki
	var err error
	if p.ca, err = issue(&x509.Certificate{Subject: pkix.Name{CommonName: "fake-ca"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, nil); err != nil {
		return nil, err
	}
	p.clients = p.ca
	if p.server, err = issueServer(p.ca); err != nil {
		return nil, err
	}
	p.admin, err = p.issueClient(clientName)
	return &p, err
}

func (p *pki) issueClient(name string) (*pair, error) {
	return issue(&x509.Certificate{Subject: pkix.Name{CommonName: name, Organization: []string{clientGroup}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, p.clients)
}

// client leaves another client's certificate in dir, and says where.
func (p *pki) client(dir, name string) (object, error) {
	made, err := p.issueClient(name)
	if err != nil {
		return nil, err
	}
	cert, key := filepath.Join(dir, filepath.Base(name)+".crt"), filepath.Join(dir, filepath.Base(name)+".key")
	if err := os.WriteFile(cert, made.cert, 0o600); err != nil {
		return nil, err
	}
	return object{"certificate": cert, "key": key}, os.WriteFile(key, made.key, 0o600)
}

func (p *pki) config() (*tls.Config, error) {
	cert, err := tls.X509KeyPair(p.server.cert, p.server.key)
	if err != nil {
		return nil, err
	}
	clients := x509.NewCertPool()
	clients.AddCert(p.clients.parsed)
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: clients, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// write leaves in dir what a client needs: ca.crt, client.crt, client.key, token, what a proxy with the server's certificate needs
// (server.crt, server.key), and a kubeconfig with the contexts fake
// (client certificate; the current one), token, anonymous and plain (http).
func (p *pki) write(dir, secure, plain string) error {
	b64 := base64.StdEncoding.EncodeToString
	kubeconfig := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- {name: fake, cluster: {server: "https://%s", certificate-authority-data: %s}}
- {name: plain, cluster: {server: "http://%s"}}
users:
- {name: fake, user: {client-certificate-data: %s, client-key-data: %s}}
- {name: token, user: {token: %s}}
- {name: anonymous, user: {}}
contexts:
- {name: fake, context: {cluster: fake, user: fake}}
- {name: token, context: {cluster: fake, user: token}}
- {name: anonymous, context: {cluster: fake, user: anonymous}}
- {name: plain, context: {cluster: plain, user: anonymous}}
current-context: fake
`, secure, b64(p.ca.cert), plain, b64(p.admin.cert), b64(p.admin.key), firstToken)
	if err := writeFiles(dir, map[string][]byte{"server.crt": p.server.cert, "server.key": p.server.key, "token": []byte(firstToken), "kubeconfig": []byte(kubeconfig)}); err != nil {
		return err
	}
	return p.writePEM(dir)
}

// writePEM leaves the certificates and the key in dir.
func (p *pki) writePEM(dir string) error {
	return writeFiles(dir, map[string][]byte{"ca.crt": p.ca.cert, "client.crt": p.admin.cert, "client.key": p.admin.key})
}

// writeFiles replaces each file at once, as those do that renew certificates.
func writeFiles(dir string, files map[string][]byte) error {
	for name, data := range files {
		part := filepath.Join(dir, "."+name)
		if err := os.WriteFile(part, data, 0o600); err != nil {
			return err
		}
		if err := os.Rename(part, filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}
