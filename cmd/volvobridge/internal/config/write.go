package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// settingsFile is the configuration in the store, for what was entered on the page where
// the configuration's own file can't be written. Its keys win over those of that file.
const settingsFile = "settings.yaml"

// Change sets a key, such as mqtt.url, to a value.
type Change struct {
	Key   string
	Value any
}

// Write sets keys in the configuration's file, or where that can't be written in the
// store, and returns which file it was. Comments stay. Only its owner can read the file.
func Write(file string, cfg Config, changes []Change) (where string, err error) {
	for _, c := range changes {
		switch place := cfg.Variable(c.Key); {
		case strings.HasPrefix(place, optionPrefix):
			return "", fmt.Errorf("%s is set by the %s of the app, which wins over what is entered here; change it in the tab Configuration", c.Key, place)
		case place != "":
			return "", fmt.Errorf("%s is set by the variable %s, which wins over what is entered here; change it there", c.Key, place)
		}
	}
	settings := filepath.Join(cfg.Store, settingsFile)
	// Where there are settings, their keys would win over what is written to the other file.
	// An app's file for experts is not ours to write.
	if _, err := os.Stat(settings); err != nil && cfg.Given == nil {
		if err := edit(file, changes); err == nil {
			return file, nil
		}
	}
	if err := os.MkdirAll(cfg.Store, 0o700); err != nil {
		return "", fmt.Errorf("neither %s nor the store can be written: %w", file, err)
	}
	if err := edit(settings, changes); err != nil {
		return "", fmt.Errorf("neither %s nor the store can be written: %w", file, err)
	}
	return settings, nil
}

// edit changes keys of a YAML file, which need not be there.
func edit(file string, changes []Change) error {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target // replacing a link would part it from what it leads to
	}
	data, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	changed, err := edited(data, changes)
	if err != nil {
		return err
	}
	aside := file + ".new"
	if err := writeSynced(aside, changed); err == nil {
		if err = os.Rename(aside, file); err == nil {
			return nil
		}
		_ = os.Remove(aside) // of no use
	}
	if data == nil {
		return errors.New("the folder can't be written")
	}
	return writeSynced(file, changed) // a file that is mounted alone can only be written in place
}

func writeSynced(file string, data []byte) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Chmod(0o600), f.Sync(), f.Close())
}

// edited is YAML text with keys changed.
func edited(data []byte, changes []Change) ([]byte, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		comment := doc.HeadComment + doc.FootComment // of a file of comments alone
		if comment == "" {
			comment = "The configuration of volvobridge; config.example.yaml explains every key."
		}
		doc = yaml.Node{Kind: yaml.DocumentNode, HeadComment: comment, Content: []*yaml.Node{{Kind: yaml.MappingNode, Tag: "!!map"}}}
	}
	for _, c := range changes {
		var value yaml.Node
		if err := value.Encode(c.Value); err != nil {
			return nil, err
		}
		set(doc.Content[0], strings.Split(c.Key, "."), &value)
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&doc); err != nil {
		return nil, err
	}
	return out.Bytes(), encoder.Close()
}

// set puts a value below a path of keys.
func set(in *yaml.Node, path []string, value *yaml.Node) {
	for i := 0; i+1 < len(in.Content); i += 2 {
		if in.Content[i].Value != path[0] {
			continue
		}
		old := in.Content[i+1]
		if len(path) == 1 {
			value.LineComment, value.HeadComment, value.FootComment = old.LineComment, old.HeadComment, old.FootComment
			in.Content[i+1] = value
			return
		}
		if old.Kind != yaml.MappingNode {
			*old = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", LineComment: old.LineComment}
		}
		set(old, path[1:], value)
		return
	}
	key := &yaml.Node{Kind: yaml.ScalarNode, Value: path[0]}
	if len(path) == 1 {
		in.Content = append(in.Content, key, value)
		return
	}
	inner := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	in.Content = append(in.Content, key, inner)
	set(inner, path[1:], value)
}
