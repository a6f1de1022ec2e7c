package web

import "volvobridge/bridge/entity"

// translated is an English text of the pages in a language; names of entities are those
// of the entity table.
func translated(text, language string) string {
	i := map[string]int{"de": 0, "sv": 1, "nl": 2, "no": 3}
	if n, ok := i[language]; ok {
		if row, known := words[text]; known {
			return row[n]
		}
		return entity.Translated(text, language)
	}
	return text
}
