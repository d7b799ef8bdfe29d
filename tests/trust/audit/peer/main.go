// A peer of the tests: reads a log with golang.org/x/mod/sumdb, which knows nothing of ours.
//
//	tlogpeer FOLDER LOG_KEY [WITNESS_KEY]
//
// Opens the checkpoint with the log's key (and the cosigned one with the witness's), reads every
// record through tiles it verifies against the root, and prints a proof of each 97th record and
// the consistency proof of each 97th size, as JSON.
package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type files struct{ folder string }

func (f files) Height() int                     { return 8 }
func (f files) SaveTiles([]tlog.Tile, [][]byte) {}
func (f files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range tiles {
		// x/mod writes tile/<height>/<level>/…, C2SP leaves the height out
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(f.folder, path))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

// A verifier of cosignature/v1, which x/mod does not have: c2sp.org/tlog-cosignature.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func (w witness) Name() string    { return w.name }
func (w witness) KeyHash() uint32 { return w.hash }
func (w witness) Verify(msg, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(sig))
	return ed25519.Verify(w.key, append([]byte(head), msg...), sig[8:])
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func main() {
	folder := os.Args[1]
	known := []note.Verifier{must(note.NewVerifier(os.Args[2]))}
	name := "checkpoint"
	if len(os.Args) > 3 {
		parts := strings.SplitN(os.Args[3], "+", 3)
		key := must(base64.StdEncoding.DecodeString(parts[2]))
		var hash uint32
		fmt.Sscanf(parts[1], "%08x", &hash)
		known, name = append(known, witness{parts[0], hash, key[1:]}), "cosigned"
	}
	opened := must(note.Open(must(os.ReadFile(filepath.Join(folder, name))), note.VerifierList(known...)))
	if len(opened.Sigs) != len(known) {
		log.Fatalf("%d signatures of %d", len(opened.Sigs), len(known))
	}
	lines := strings.Split(opened.Text, "\n")
	var size int64
	fmt.Sscanf(lines[1], "%d", &size)
	root := must(tlog.ParseHash(lines[2]))
	tree := tlog.Tree{N: size, Hash: root}
	reader := tlog.TileHashReader(tree, files{folder})
	inclusion, consistency := map[int64]tlog.RecordProof{}, map[int64]tlog.TreeProof{}
	var index int64
	for number := int64(0); index < size; number++ {
		path := fmt.Sprintf("tile/entries/%03d", number)
		if left := size - number*256; left < 256 {
			path += fmt.Sprintf(".p/%d", left)
		}
		data := must(os.ReadFile(filepath.Join(folder, path)))
		for len(data) > 0 {
			length := int(binary.BigEndian.Uint16(data))
			entry := data[2 : 2+length]
			data = data[2+length:]
			proof := must(tlog.ProveRecord(size, index, reader))
			if err := tlog.CheckRecord(proof, size, root, index, tlog.RecordHash(entry)); err != nil {
				log.Fatal(index, err)
			}
			if index%97 == 0 {
				inclusion[index] = proof
				old := index + 1
				consistency[old] = must(tlog.ProveTree(size, old, reader))
				before := must(tlog.TreeHash(old, reader))
				if err := tlog.CheckTree(consistency[old], size, root, old, before); err != nil {
					log.Fatal(old, err)
				}
			}
			index++
		}
	}
	json.NewEncoder(os.Stdout).Encode(map[string]any{
		"size": size, "inclusion": inclusion, "consistency": consistency,
	})
}
