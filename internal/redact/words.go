package redact

import "strings"

func wordSet(words string) map[string]bool {
	set := make(map[string]bool)
	for w := range strings.FieldsSeq(words) {
		set[w] = true
	}
	return set
}

var (
	// placeholders stand for a secret in examples, or are defaults that everyone knows.
	placeholders = wordSet(`a the my your our this here some any enter insert replace add put with in me change changeme
		changeit replaceme example sample placeholder dummy fake foo bar baz foobar test testing tbd n na todo
		password passwd pass passphrase pwd pw passwort user username usr name login token key value secretkey
		apikey api access bearer auth redacted hidden masked removed omitted censored private mypassword yourpassword
		mytoken yourtoken mysecret yoursecret insecure notasecret not string`)

	// vocabulary is what code and people say where a secret might stand: types, literals, states, algorithms.
	vocabulary = wordSet(`secret secrets client server db database app service host
		str string strings text char chars varchar bytes byte bool boolean int integer number float object any unknown never
		void array list map dict option optional result vec box arc rc ref mut const let var static final readonly field
		null nil none undefined true false yes no on off default empty blank missing unset set
		await async new lambda function func fn def return yield not if else typeof instanceof self this super select case
		is was are be been has have had will would can could should shall must may might do does did
		and or but because since so then than that these those it its they them he she we you i as at by for from of to
		wrong right correct incorrect invalid valid bad good ok okay fine strong weak safe unsafe short long too very only
		required needed mandatory optional forbidden allowed expected supplied provided given stored saved kept loaded read
		written sent shown displayed printed logged hashed salted encrypted encoded decoded signed generated rotated
		expired expires expiring revoked reset changed updated deleted removed leaked exposed compromised known same
		different unique random plain plaintext cleartext clear opaque sensitive confidential protected available
		unavailable absent present ready done pending used unused reused accepted rejected refused denied disabled enabled
		incorrectly correctly already still always now again also just later soon currently never
		least most min max minimum maximum length characters character letters digits symbols words bits bit
		prompt stdin stdout stderr env environment file files path dir config settings variable variables flag option
		param parameter parameters arg argument args input output header headers body query form cookie url uri
		manager vault keychain keyring store storage policy rotation rules rule hash hashes digest salt
		scram trust peer ident gss gssapi sspi ntlm kerberos krb5 ldap radius pam disable allow prefer require verify full native caching
		phpass crypt des 3des chacha20 poly1305 sha2 sha3 argon2i argon2d hs384 hs512 rs384 rs512 ps256 es384 es512 tls ssl none
		md5 sha1 sha256 sha384 sha512 sha hs256 rs256 es256 eddsa ed25519 hmac aes aes128 aes256 gcm rsa ecdsa bcrypt scrypt argon2
		argon2id pbkdf2 x509 base64 base64url hex utf8 utf ascii jwt jws jwe oauth oauth2 oidc saml basic
		kubernetes k8s docker github gitlab aws azure gcp ci cd http https
		prod production staging dev development local localhost root admin administrator guest public
		json yaml toml xml html css png svg pem crt cert certs certificate
		id ids type types kind label title description message error errors status code count limit ttl scope scopes
		first second third last next previous current old other another each every all both many few
		see below above attached there where when what who how why via through without about into
		email mail phone address number date time year minutes hours days seconds`)

	// sentence marks words that a passphrase hardly has and a sentence hardly lacks.
	sentence = wordSet(`is are was were be must should shall will would can cannot may please enter the your our you a an
		to for and or not no of this that it invalid required password passwords incorrect wrong forgot reset confirm
		characters do does did has have with from in at`)

	// about are the last words of names that tell something of a secret, but do not hold it.
	about = wordSet(`file files filename path dir directory folder url uri endpoint name names field fields
		input output type types kind class id ids len length size min max count total number num limit limits budget usage
		policy policies rule rules reset resets forgot ttl age expiry expires expiration expired at in on by since until
		ref refs reference store storage manager provider service prompt stdin env environment var variable variables
		param params parameter arg header headers column table key regex pattern format version algorithm alg method
		required enabled disabled valid invalid validation validator strength hint label placeholder title text
		description message msg error errors status state scope scopes index pos position prefix suffix exists
		changed updated created rotation interval timeout form page view modal component handler func function
		mock util utils helper helpers config settings options schema model source bucket
		encryption hasher hashers hashing algo mode check verify verification plugin iterations rounds history protection complexity
		lifetime charset encoder encoding generator factory screen hide show toggle visible visibility confirmation required
		limiter estimate estimator parser counter rate cost costs price stream window`)
)
