package main

import (
	"bytes"
	"encoding/json"
)

// settings say what a test wants of the peer; see ../README.md. They are the only argument of the program, as JSON.
type settings struct {
	// Multiaddrs; none when the peer is to be reached through relays only.
	Listen []string `json:"listen"`
	// Where the private key is, made when there is none. Without a file every start is another peer.
	KeyFile string `json:"keyFile"`
	// Whether to ignore sequence numbers that are not above the last one of their author, as Kubo does.
	SeqnoValidator bool `json:"seqnoValidator"`
	// Milliseconds that it takes to keep a sequence number, as a disk would; it then says that it is Kubo.
	SeqnoWriteMs int `json:"seqnoWriteMs"`
	// Whether to be a relay for others, without limits.
	Relay bool `json:"relay"`
	// 64 hexadecimal digits: the key of a private network.
	PrivateNetworkKey string `json:"privateNetworkKey"`
	// Whether to find, and be found by, peers on the local network.
	Mdns bool `json:"mdns"`
	// Whether to open direct connections through routers (DCUtR) in place of relayed ones.
	Punch bool `json:"punch"`
	// Whether to take part in the DHT of the local network.
	Dht bool `json:"dht"`
}

func parseSettings(text string) (settings, error) {
	var parsed settings
	decoder := json.NewDecoder(bytes.NewBufferString(text))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&parsed)
	return parsed, err
}
