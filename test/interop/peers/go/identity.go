package main

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"

	"github.com/libp2p/go-libp2p/core/crypto"
)

// loadKey reads the private key of a file, or makes one there.
func loadKey(file string) (crypto.PrivKey, error) {
	if file != "" {
		stored, err := os.ReadFile(file)
		if err == nil {
			return crypto.UnmarshalPrivateKey(stored)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil || file == "" {
		return key, err
	}
	encoded, err := crypto.MarshalPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(file, encoded, 0o600)
}
