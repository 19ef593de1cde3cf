// An app that answers only visitors whom the relay vouches for. Go 1.21 or later; the standard library is enough.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"
)

var (
	relay = os.Getenv("RELAY_URL") // public_url of the relay, without a slash at its end
	edge  = os.Getenv("EDGE_ID")   // the edge that leads to this app
	keys  = keySet{url: relay + "/.well-known/jwks.json"}
)

const leeway = 30 * time.Second

// Visitor is the visitor's identity, as the relay says.
type Visitor struct {
	Issuer   string   `json:"iss"`
	Audience string   `json:"aud"`
	Subject  string   `json:"sub"`
	Provider string   `json:"idp"`
	Email    string   `json:"email,omitempty"`
	Name     string   `json:"name,omitempty"`
	Groups   []string `json:"groups"`
	IssuedAt int64    `json:"iat"`
	Expires  int64    `json:"exp"`
}

// visitorOf returns the visitor. It fails if the relay does not vouch for them.
func visitorOf(request *http.Request) (*Visitor, error) {
	parts := strings.Split(request.Header.Get("Sallyport-Auth-Jwt"), ".")
	if len(parts) != 3 {
		return nil, errors.New("not a token of the relay")
	}
	var header struct{ Alg, Kid string }
	if err := decodeJSON(parts[0], &header); err != nil {
		return nil, err
	}
	if header.Alg != "ES256" {
		return nil, errors.New("signed in another way")
	}
	key, err := keys.find(header.Kid)
	if err != nil {
		return nil, err
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(signature) != 64 {
		return nil, errors.New("not a signature")
	}
	digest := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(key, digest[:], r, s) {
		return nil, errors.New("the signature is wrong")
	}
	var visitor Visitor
	if err := decodeJSON(parts[1], &visitor); err != nil {
		return nil, err
	}
	if visitor.Issuer != relay || visitor.Audience != edge || visitor.Subject == "" {
		return nil, errors.New("made by or for somebody else")
	}
	if !time.Now().Before(time.Unix(visitor.Expires, 0).Add(leeway)) {
		return nil, errors.New("too old")
	}
	return &visitor, nil
}

// keySet is the key set of the relay. An unknown key id has it fetched again, but not more than twice a minute.
type keySet struct {
	url     string
	mutex   sync.Mutex
	keys    map[string]*ecdsa.PublicKey
	fetched time.Time
}

func (set *keySet) find(kid string) (*ecdsa.PublicKey, error) {
	set.mutex.Lock()
	defer set.mutex.Unlock()
	age := time.Since(set.fetched)
	if set.keys == nil || age > 10*time.Minute || (set.keys[kid] == nil && age > 30*time.Second) {
		if err := set.fetch(); err != nil {
			return nil, err
		}
	}
	if key := set.keys[kid]; key != nil {
		return key, nil
	}
	return nil, errors.New("signed with an unknown key")
}

func (set *keySet) fetch() error {
	response, err := (&http.Client{Timeout: 5 * time.Second}).Get(set.url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var found struct {
		Keys []struct{ Kty, Crv, X, Y, Kid string }
	}
	if err := json.NewDecoder(response.Body).Decode(&found); err != nil {
		return err
	}
	set.keys = map[string]*ecdsa.PublicKey{}
	for _, key := range found.Keys {
		x, errX := base64.RawURLEncoding.DecodeString(key.X)
		y, errY := base64.RawURLEncoding.DecodeString(key.Y)
		if key.Kty != "EC" || key.Crv != "P-256" || errX != nil || errY != nil {
			continue
		}
		set.keys[key.Kid] = &ecdsa.PublicKey{
			Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y),
		}
	}
	set.fetched = time.Now()
	return nil
}

func decodeJSON(part string, into any) error {
	octets, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(octets, into)
}

func main() {
	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		visitor, err := visitorOf(request)
		if err != nil {
			http.Error(response, "not through the relay: "+err.Error(), http.StatusUnauthorized)
			return
		}
		json.NewEncoder(response).Encode(visitor)
	})
	port := os.Getenv("PORT")
	if port == "" {
		port = "8000"
	}
	listener, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on %d\n", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, nil))
}
