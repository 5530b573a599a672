// Reads each example into its generated type, refusing unknown fields, and writes it back with the same values. The test
// adds types.go, which names the types.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"reflect"
)

type example struct {
	Title   string
	Payload json.RawMessage
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	check("examples", err)
	var examples []example
	check("examples", json.Unmarshal(text, &examples))
	for _, each := range examples {
		frame := reflect.New(types[each.Title]).Interface()
		decoder := json.NewDecoder(bytes.NewReader(each.Payload))
		decoder.DisallowUnknownFields()
		check(each.Title, decoder.Decode(frame))
		written, err := json.Marshal(frame)
		check(each.Title, err)
		keeps(each.Title, decoded(each.Payload), decoded(written))
	}
	fmt.Println(len(examples))
}

func decoded(text []byte) (value any) {
	check("JSON", json.Unmarshal(text, &value))
	return value
}

// keeps ends the program when a given value is not kept. Go has no null for text and numbers.
func keeps(path string, given any, kept any) {
	switch given := given.(type) {
	case nil:
	case map[string]any:
		fields, _ := kept.(map[string]any)
		for name, value := range given {
			keeps(path+"."+name, value, fields[name])
		}
	default:
		if !reflect.DeepEqual(given, kept) && given != false {
			log.Fatalf("%s became %v", path, kept)
		}
	}
}

func check(what string, err error) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}
