package e2e

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"
)

// sentence is what somebody says, and what must come of it: a POST, or words of
// the answer.
type sentence struct {
	text string
	post string // the command's path segment
	says string // an expression; {id} stands for the state of the car's entity
	car  string // if it is another than the XC40
}

func (s sentence) of() string { return cmp.Or(s.car, "XC40") }

// theSentences are those of the README.
var theSentences = []sentence{
	{"lock the XC40 doors", "lock", "", ""},
	{"are the XC40 doors locked", "", "(?i)yes|locked", ""},
	{"unlock the XC40 doors", "unlock", "", ""},
	{"lock the XC40", "lock", "", ""},
	{"is the XC40 locked", "", "(?i)yes|locked", ""},
	{"what is the XC40 battery level", "", "{battery_charge_level}", ""},
	{"what is the battery level of the XC40", "", "{battery_charge_level}", ""},
	{"what is the XC40 range", "", `\d+ ?(km|kilo)`, ""},
	{"how far can I drive with the XC40", "", `\d+ ?km`, ""},
	{"what is the XC40 fuel level", "", "{fuel_amount}", "XC60"},
	{"what is the XC40 odometer", "", "{odometer}", ""},
	{"is the XC40 tailgate open", "", "(?i)no|closed", ""},
	{"are the windows of the XC40 closed", "", "(?i)yes", ""},
	{"is anything open on the XC40", "", "(?i)nothing|no", ""},
	{"turn on the XC40 climate", "climatization-start", "", ""},
	{"turn off the XC40 climate", "climatization-stop", "", ""},
	{"warm up the XC40", "climatization-start", "", ""},
	{"stop warming the XC40", "climatization-stop", "", ""},
	{"where is the XC40", "", `(?i)home|\d+\.\d+`, ""},
	{"is the XC40 charging", "", "(?i)yes|no", ""},
	{"when is the XC40 charged", "", `(?i)until \d\d:\d\d|not charging`, ""},
	{"flash the XC40", "flash", "", ""},
	{"honk the XC40", "honk", "", ""},
	{"did the last command work on the XC40", "", "(?i)succeeded", ""},
	{"is anything wrong with the XC40", "", "(?i)no|all is well", ""},
	{"start the engine of the XC40 for five minutes", "engine-start", "", "XC90"},
}

// theTranslations are ten in each language of the blueprint.
var theTranslations = map[string][]sentence{
	"de": {
		{"schließ den XC40 ab", "lock", "", ""}, {"ist der XC40 abgeschlossen", "", "(?i)^(ja|nein)", ""}, {"heize den XC40 vor", "climatization-start", "", ""},
		{"beende die Heizung vom XC40", "climatization-stop", "", ""}, {"wo steht der XC40", "", "(?i)hier", ""}, {"wie weit komme ich mit dem XC40", "", `\d+ km`, ""},
		{"wie voll ist der Akku vom XC40", "", "{battery_charge_level}", ""}, {"lädt der XC40", "", "(?i)^(ja|nein)", ""}, {"ist etwas am XC40 offen", "", "(?i)nichts", ""},
		{"lass den XC40 blinken", "flash", "", ""},
	},
	"sv": {
		{"lås XC40", "lock", "", ""}, {"är XC40 låst", "", "(?i)^(ja|nej)", ""}, {"värm upp XC40", "climatization-start", "", ""}, {"sluta värma XC40", "climatization-stop", "", ""},
		{"var står XC40", "", "(?i)här", ""}, {"hur långt kan jag köra med XC40", "", `\d+ km`, ""}, {"hur mycket batteri har XC40", "", "{battery_charge_level}", ""},
		{"laddar XC40", "", "(?i)^(ja|nej)", ""}, {"är fönstren på XC40 stängda", "", "(?i)^ja", ""}, {"blinka med XC40", "flash", "", ""},
	},
	"nl": {
		{"vergrendel de XC40", "lock", "", ""}, {"is de XC40 op slot", "", "(?i)^(ja|nee)", ""}, {"verwarm de XC40", "climatization-start", "", ""},
		{"stop het verwarmen van de XC40", "climatization-stop", "", ""}, {"waar staat de XC40", "", "(?i)hier", ""}, {"hoe ver kan ik rijden met de XC40", "", `\d+ km`, ""},
		{"hoe vol is de accu van de XC40", "", "{battery_charge_level}", ""}, {"laadt de XC40 op", "", "(?i)^(ja|nee)", ""}, {"staat er iets open aan de XC40", "", "(?i)niets", ""},
		{"claxonneer met de XC40", "honk", "", ""},
	},
	"nb": {
		{"lås XC40", "lock", "", ""}, {"er XC40 låst", "", "(?i)^(ja|nei)", ""}, {"varm opp XC40", "climatization-start", "", ""}, {"slutt å varme XC40", "climatization-stop", "", ""},
		{"hvor er XC40", "", "(?i)her", ""}, {"hvor langt kan jeg kjøre med XC40", "", `\d+ km`, ""}, {"hvor mye batteri har XC40", "", "{battery_charge_level}", ""},
		{"lader XC40", "", "(?i)^(ja|nei)", ""}, {"er bakluken på XC40 åpen", "", "(?i)^nei", ""}, {"tut med XC40", "honk", "", ""},
	},
}

var stateOf = regexp.MustCompile(`\{([a-z_]+)\}`)

// posts counts the POSTs of a command.
func (w *world) posts(segment string) int {
	n := 0
	for _, c := range w.cloud.Posts() {
		if strings.HasSuffix(c.Path, "/commands/"+segment) {
			n++
		}
	}
	return n
}

// spoken says a sentence and reports whether the right thing came of it.
func (w *world) spoken(s sentence, language string) (answer string, right bool) {
	w.Helper()
	before := w.posts(s.post)
	answer, understood := w.say(strings.ReplaceAll(s.text, "XC40", s.of()), language)
	if !understood {
		return answer, false
	}
	if s.post != "" {
		for end := time.Now().Add(4 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if w.posts(s.post) > before {
				w.idle()
				if s.post == "lock" { // until the car shows it, Home Assistant says that it is locking
					eventually(w, 10*time.Second, "locked", func() bool { return w.state("lock."+strings.ToLower(s.of())+"_lock") == "locked" })
				}
				return answer, true
			}
		}
		return answer, false
	}
	d := w.document(strings.ToLower(s.of()))
	expression := stateOf.ReplaceAllStringFunc(s.says, func(id string) string {
		value, _ := d[strings.Trim(id, "{}")].(float64)
		return fmt.Sprintf("(%d|%.0f)", int(value), value)
	})
	return answer, regexp.MustCompile(expression).MatchString(answer)
}

// idle waits until no command is under way.
func (w *world) idle() {
	w.Helper()
	eventually(w, 10*time.Second, "commands end", func() bool {
		for _, topic := range w.o.topics("volvo/") {
			if strings.HasSuffix(topic, "/status") && w.o.document(topic)["status"] == "sending" {
				return false
			}
		}
		return w.state("lock.xc40_lock") != "locking" && w.state("lock.xc40_lock") != "unlocking"
	})
	time.Sleep(300 * time.Millisecond) // the attributes follow
}

// parked has the XC40 stand at home, awake, closed, locked.
func (w *world) parked() {
	w.Helper()
	if s := w.document("xc40")["lock"]; s != "LOCKED" {
		if err := w.call("lock.lock", "lock.xc40_lock", nil); err != nil {
			w.Fatal(err)
		}
	}
	eventually(w, 60*time.Second, "locked", func() bool { return w.state("lock.xc40_lock") == "locked" })
	w.idle()
}

// assist: Assist's own sentences, without the blueprint.
func (w *world) assist(t *testing.T) {
	var entities []string
	for _, row := range w.hass.entities() {
		// As the README says: one car, and what is asked of it. Of hundreds of names,
		// Assist's newest guesses find fewer.
		if id := row["entity_id"].(string); strings.Contains(id, "xc40") || id == "sensor.xc60_fuel_amount" {
			entities = append(entities, id)
		}
	}
	w.expose(entities...)
	w.parked()
	var works []string
	for _, s := range theSentences {
		answer, right := w.spoken(s, "en")
		if right {
			works = append(works, s.text)
		}
		t.Logf("%-5v %-50s %s", right, s.text, answer)
		if s.post == "unlock" {
			w.parked()
		}
	}
	version := os.Getenv("E2E_HASS_VERSION")
	want := 11
	if strings.HasPrefix(version, "2025.") {
		want = 9
	}
	if len(works) < want {
		t.Errorf("%d sentences work, want %d", len(works), want)
	}
	t.Logf("%s: %d of %d sentences work without the blueprint", version, len(works), len(theSentences))
	// Nothing said opens a car by accident.
	before := w.posts("unlock")
	for _, s := range []string{"turn off the XC40", "turn off everything", "open the XC40", "turn off all lights", "open the XC40 doors", "turn off the climate in the XC40", "close the XC40"} {
		answer, _ := w.say(s, "en")
		t.Logf("      %-50s %s", s, answer)
	}
	time.Sleep(2 * time.Second)
	if n := w.posts("unlock") - before; n != 0 {
		t.Errorf("%d unlocks by sentences that do not say so", n)
	}
	readmeSentences(t, version, works)
}

// importBlueprint saves a blueprint of the project in Home Assistant.
func (w *world) importBlueprint(name string) {
	w.Helper()
	data, err := os.ReadFile("../docs/blueprints/" + name + ".yaml")
	if err != nil {
		w.Fatal(err)
	}
	_, err = w.ws("blueprint/save", object{"domain": "automation", "path": "volvobridge/" + name + ".yaml", "yaml": string(data),
		"source_url": "https://example.org/" + name + ".yaml", "allow_override": true})
	if err != nil {
		w.Fatalf("%s: %v", name, err)
	}
}

// automate makes an automation of a blueprint.
func (w *world) automate(id, blueprint string, input object) {
	w.Helper()
	if _, err := w.rest("POST", "/api/config/automation/config/"+id, object{"alias": id,
		"use_blueprint": object{"path": "volvobridge/" + blueprint + ".yaml", "input": input}}); err != nil {
		w.Fatalf("%s: %v", id, err)
	}
	eventually(w, 10*time.Second, id, func() bool { return w.state("automation."+id) == "on" })
}

// remove takes an automation away.
func (w *world) remove(id string) {
	w.Helper()
	w.must(w.rest("DELETE", "/api/config/automation/config/"+id, nil))
}

// voice: the blueprint "talk to my car", configured by `volvobridge voice`.
func (w *world) voice(t *testing.T) {
	w.importBlueprint("talk_to_my_car")
	for slug := range w.vins {
		out, err := runProgramIn(w.dir, binary, "voice", slug, "--word", "tango")
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var automation struct {
			Use struct{ Input object } `yaml:"use_blueprint"`
		}
		if err := yaml.Unmarshal(out, &automation); err != nil {
			t.Fatal(err)
		}
		w.automate("talk_"+slug, "talk_to_my_car", automation.Use.Input)
	}
	w.parked()
	answered := 0
	for _, s := range theSentences {
		if s.post == "unlock" {
			w.unlockByVoice(t)
			answered++
			continue
		}
		answer, right := w.spoken(s, "en")
		t.Logf("%-5v %-50s %s", right, s.text, answer)
		if !right {
			t.Errorf("%s: %s", s.text, answer)
			continue
		}
		answered++
	}
	for language, list := range theTranslations {
		for _, s := range list {
			answer, right := w.spoken(s, language)
			t.Logf("%-5v %s %-47s %s", right, language, s.text, answer)
			if !right {
				t.Errorf("%s: %s: %s", language, s.text, answer)
				continue
			}
			answered++
		}
	}
	counted.sentences = answered
	w.openByVoice(t)
	for slug := range w.vins {
		w.remove("talk_" + slug)
	}
}

// unlockByVoice: not without the word, not with a wrong one.
func (w *world) unlockByVoice(t *testing.T) {
	before := w.posts("unlock")
	for _, c := range []struct{ text, says string }{{"unlock the XC40 doors", "confirmation word"}, {"unlock the XC40 doors waltz", "not the confirmation word"}, {"unlock the XC40 doors tangoo", "not the confirmation word"}} {
		if answer, _ := w.say(c.text, "en"); !strings.Contains(answer, c.says) {
			t.Errorf("%s: %s", c.text, answer)
		}
	}
	time.Sleep(time.Second)
	if n := w.posts("unlock") - before; n != 0 {
		t.Errorf("%d unlocks without the word", n)
	}
	if answer, right := w.spoken(sentence{text: "unlock the XC40 doors tango", post: "unlock"}, "en"); !right {
		t.Errorf("with the word: %s", answer)
	}
	w.parked()
}

// openByVoice: what is open is named.
func (w *world) openByVoice(t *testing.T) {
	doors := `{"data":{"centralLock":{"value":"UNLOCKED","timestamp":"2026-11-23T10:00:00Z"},"tailgate":{"value":"OPEN","timestamp":"2026-11-23T10:00:00Z"},"hood":{"value":"CLOSED","timestamp":"2026-11-23T10:00:00Z"}}}`
	w.spoil(t, "/doors", doors)
	defer w.cloud.Mend()
	eventually(t, 20*time.Second, "an open tailgate", func() bool { return w.state("binary_sensor.xc40_tailgate") == "on" })
	for text, says := range map[string]string{"is anything open on the XC40": "Open: Tailgate", "is the XC40 tailgate open": "Yes", "is the XC40 locked": "No"} {
		if answer, _ := w.say(text, "en"); !strings.Contains(answer, says) {
			t.Errorf("%s: %s", text, answer)
		}
	}
}

// readmeSentences keeps the table of what Assist understands; with
// UPDATE_DOCS=1 it writes this release's column.
func readmeSentences(t *testing.T, version string, works []string) {
	const file = "../docs/voice.md"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(data), "<!-- assist -->\n")
	old, after, end := strings.Cut(rest, "<!-- end -->")
	if !ok || !end {
		t.Fatal("docs/voice.md has no place for the table assist")
	}
	column := 1
	if strings.HasPrefix(version, "2025.") {
		column = 2
	}
	cells := map[string][]string{}
	for line := range strings.Lines(old) {
		if parts := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|"); len(parts) == 3 {
			cells[strings.TrimSpace(parts[0])] = []string{"", strings.TrimSpace(parts[1]), strings.TrimSpace(parts[2])}
		}
	}
	var b strings.Builder
	b.WriteString("| sentence | 2026.11.0 | 2025.10.4 |\n|---|---|---|\n")
	for _, s := range theSentences {
		row := cells[s.text]
		if row == nil {
			row = []string{"", "", "", ""}
		}
		row[column] = "no"
		if slices.Contains(works, s.text) {
			row[column] = "yes"
		}
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.text, row[1], row[2])
	}
	if b.String() == old {
		return
	}
	if os.Getenv("UPDATE_DOCS") == "" {
		t.Errorf("the table assist is not what was heard: UPDATE_DOCS=1 .ci/hass %s", version)
		return
	}
	if err := os.WriteFile(file, []byte(before+"<!-- assist -->\n"+b.String()+"<!-- end -->"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}
