// Reads the operations that `statefall check --export` writes, and prints for each object whether a
// linearisable register or counter could have answered so.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/anishathalye/porcupine"
)

type operation struct {
	Call   int64           `json:"call"`
	Return int64           `json:"return"`
	F      string          `json:"f"`
	Value  json.RawMessage `json:"value"`
}

type object struct {
	Cell       string          `json:"cell"`
	Session    string          `json:"session"`
	Promise    string          `json:"promise"`
	Key        json.RawMessage `json:"key"`
	Model      string          `json:"model"`
	Initial    json.RawMessage `json:"initial"`
	Operations []operation     `json:"operations"`
}

// state of a register: its value as JSON; of a counter: what was added, and what was there before.
type state struct {
	known bool
	value string
	sum   int64
}

func number(raw json.RawMessage) int64 {
	var found int64
	if json.Unmarshal(raw, &found) != nil {
		return 0
	}
	return found
}

func model(which object) porcupine.Model {
	counter := which.Model == "counter"
	return porcupine.Model{
		Init: func() interface{} {
			if which.Initial == nil {
				return state{}
			}
			return state{known: true, value: string(which.Initial), sum: number(which.Initial)}
		},
		Step: func(now, input, _ interface{}) (bool, interface{}) {
			at, asked := now.(state), input.(operation)
			shown := number(asked.Value)
			switch {
			case asked.F == "add":
				at.sum += shown
				return true, at
			case asked.F == "write":
				return true, state{known: true, value: string(asked.Value)}
			case !at.known && counter:
				return shown >= at.sum, state{known: true, sum: shown}
			case !at.known:
				return true, state{known: true, value: string(asked.Value)}
			case counter:
				return shown == at.sum, at
			default:
				return string(asked.Value) == at.value, at
			}
		},
	}
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<28)
	for lines.Scan() {
		var which object
		if err := json.Unmarshal(lines.Bytes(), &which); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		history := make([]porcupine.Operation, len(which.Operations))
		for place, each := range which.Operations {
			history[place] = porcupine.Operation{ClientId: place, Input: each, Call: each.Call, Return: each.Return}
		}
		found := porcupine.CheckOperationsTimeout(model(which), history, 10*time.Second)
		fmt.Printf("%s\t%s\t%s\t%s\n", which.Session, which.Promise, which.Key, found)
	}
}
