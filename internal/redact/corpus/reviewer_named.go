package corpus

// reviewerNamed are vendors' secrets that look like any other hex or base64: only what stands beside them tells.
func reviewerNamed() []reviewerKind {
	return []reviewerKind{
		{"aws-secret-key", "«b64:40»", []string{
			"[default]\naws_access_key_id = AK" + "IA«b32:16»\naws_secret_access_key = «s»\nregion = eu-central-1",
			"export AWS_SECRET_ACCESS_KEY=«s»",
			`{"AccessKey":{"UserName":"ci","Status":"Active","SecretAccessKey":"«s»"}}`,
			"provider \"aws\" {\n  region     = \"us-east-1\"\n  secret_key = \"«s»\"\n}",
			"new AWS.S3({ accessKeyId: id, secretAccessKey: '«s»' })",
		}},
		{"aws-session-token", "IQoJb3JpZ2luX2Vj«b64:280»", []string{
			"export AWS_SESSION_TOKEN=«s»", "aws_session_token = «s»", `"SessionToken": "«s»",`,
			"X-Amz-Security-Token: «s»",
		}},
		{"azure-storage-key", "«b64:86»==", []string{
			"DefaultEndpointsProtocol=https;AccountName=acmedata;AccountKey=«s»;EndpointSuffix=core.windows.net",
			"AZURE_STORAGE_KEY=«s»", "az storage blob list --account-name acmedata --account-key «s» -c logs",
			`"AzureWebJobsStorage": "DefaultEndpointsProtocol=https;AccountName=fn;AccountKey=«s»"`,
		}},
		{"azure-service-bus", "«b64:43»=", []string{
			"Endpoint=sb://acme.servicebus.windows.net/;SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=«s»",
			"HostName=acme.azure-devices.net;DeviceId=pump7;SharedAccessKey=«s»",
			`<add key="ServiceBus" value="Endpoint=sb://q.servicebus.windows.net/;SharedAccessKeyName=send;SharedAccessKey=«s»" />`,
			"SERVICEBUS_SHARED_ACCESS_KEY: «s»",
		}},
		{"azure-sas-signature", "«an:22»%2F«an:19»%3D", []string{
			"https://acme.blob.core.windows.net/backup/db.bak?sv=2024-11-04&ss=b&srt=co&sp=rl&se=2027-01-01T00:00:00Z&sig=«s»",
			"azcopy copy 'https://acme.blob.core.windows.net/in?sv=2023-01-03&sr=c&sp=rwl&sig=«s»' ./out --recursive",
			"SAS_URL=\"https://acme.file.core.windows.net/share?sp=r&sv=2022-11-02&sr=s&sig=«s»\"",
			"SharedAccessSignature=sv=2024-11-04&ss=bfqt&srt=sco&sp=rwdlac&se=2027-03-01T08:00:00Z&spr=https&sig=«s»",
		}},
		{"aws-presigned-url", "«hex:64»", []string{
			"https://acme.s3.amazonaws.com/r.pdf?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260301T101112Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=«s»",
			"wget -O dump.gz 'https://dumps.s3.eu-west-1.amazonaws.com/d.gz?X-Amz-Expires=3600&X-Amz-Signature=«s»'",
			"link for you: https://b.s3.amazonaws.com/x.zip?X-Amz-SignedHeaders=host&X-Amz-Signature=«s» (valid a week)",
			"\"url\": \"https://storage.googleapis.com/acme/o?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Signature=«s»\"",
		}},
		{"datadog-api-key", "«hex:32»", []string{
			"DD_API_KEY=«s»", "# datadog.yaml\napi_key: «s»\nsite: datadoghq.eu", "curl -H \"DD-API-KEY: «s»\" https://api.datadoghq.com/api/v1/validate",
			"docker run -e DD_API_KEY=«s» gcr.io/datadoghq/agent:7", "helm install dd datadog/datadog --set datadog.apiKey=«s»",
		}},
		{"datadog-app-key", "«hex:40»", []string{
			"DD_APP_KEY=«s»", "-H 'DD-APPLICATION-KEY: «s»'", "provider \"datadog\" {\n  app_key = \"«s»\"\n}", "datadog.appKey: \"«s»\"",
		}},
		{"twilio-auth-token", "«hex:32»", []string{
			"TWILIO_ACCOUNT_SID=AC«hex:32»\nTWILIO_AUTH_TOKEN=«s»", "client = Client(account_sid, auth_token='«s»')",
			"curl -u $TWILIO_ACCOUNT_SID:«s» https://api.twilio.com/2010-04-01/Accounts.json", "twilio:\n  auth_token: «s»\n  from: '+4915100000'",
		}},
		{"pagerduty-key", "«url:20»", []string{
			"PAGERDUTY_TOKEN=«s»", "Authorization: Token token=«s»", "pagerduty_api_key: \"«s»\"", "PD_API_KEY='«s»' ./oncall.sh",
		}},
		{"cloudflare-global-key", "«hex:37»", []string{
			"CLOUDFLARE_API_KEY=«s»\nCLOUDFLARE_EMAIL=ops@example.com", "-H 'X-Auth-Email: ops@example.com' -H 'X-Auth-Key: «s»'",
			"dns_cloudflare_email = ops@example.com\ndns_cloudflare_api_key = «s»", "CF_Key=\"«s»\" acme.sh --issue --dns dns_cf -d example.com",
		}},
		{"cloudflare-api-token", "«url:40»", []string{
			"CLOUDFLARE_API_TOKEN=«s»", "dns_cloudflare_api_token = «s»", "CF_API_TOKEN: «s»", "curl -H 'Authorization: Bearer «s»' https://api.cloudflare.com/client/v4/user/tokens/verify",
		}},
		{"algolia-admin-key", "«hex:32»", []string{
			"ALGOLIA_ADMIN_KEY=«s»", "X-Algolia-API-Key: «s»", "algoliasearch('B1G2GM9NG0', { adminApiKey: '«s»' })", "algolia_admin_api_key: «s»",
		}},
		{"okta-ssws", "00«url:40»", []string{
			"Authorization: SSWS «s»", "OKTA_API_TOKEN=«s»", "okta.client.token=«s»", "okta:\n  client:\n    token: «s»",
		}},
		{"oauth-client-secret", "«url:64»", []string{
			"AUTH0_CLIENT_SECRET=«s»", "grant_type=client_credentials&client_id=«an:32»&client_secret=«s»",
			"{\"client_id\":\"«an:32»\",\"client_secret\":\"«s»\",\"audience\":\"https://api.example.com\"}",
			"spring.security.oauth2.client.registration.corp.client-secret=«s»", "clientSecret: \"«s»\"",
		}},
		{"jenkins-token", "11«hex:32»", []string{
			"curl -X POST -u admin:«s» https://ci.example.com/job/deploy/build", "JENKINS_API_TOKEN=«s»",
			"jenkins_token = \"«s»\"", "java -jar jenkins-cli.jar -s https://ci.example.com -auth admin:«s» who-am-i",
		}},
		{"snyk-token", "«uuid»", []string{
			"SNYK_TOKEN=«s»", "snyk auth «s»", "snyk_token: «s»", "      - run: snyk test\n        env:\n          SNYK_TOKEN: «s»",
		}},
		{"codecov-token", "«uuid»", []string{
			"CODECOV_TOKEN=«s»", "codecov upload-process --token «s»", "codecov:\n  token: «s»", "bash <(curl -s https://codecov.io/bash) -t «s»",
		}},
		{"postmark-token", "«uuid»", []string{
			"X-Postmark-Server-Token: «s»", "POSTMARK_SERVER_TOKEN=«s»", "postmark_api_token: '«s»'", "new postmark.ServerClient(\"«s»\") // POSTMARK_API_TOKEN",
		}},
		{"wandb-key", "«hex:40»", []string{
			"WANDB_API_KEY=«s»", "wandb login «s»", "wandb.login(key=\"«s»\")", "os.environ[\"WANDB_API_KEY\"] = \"«s»\"",
		}},
		{"mistral-key", "«an:32»", []string{
			"MISTRAL_API_KEY=«s»", "Mistral(api_key=\"«s»\")", "mistral:\n  api_key: «s»\n  model: mistral-large", "\"mistralApiKey\": \"«s»\"",
		}},
		{"cohere-key", "«an:40»", []string{
			"COHERE_API_KEY=«s»", "co = cohere.ClientV2(api_key='«s»')", "CO_API_KEY: \"«s»\"", "cohere_api_key: «s»",
		}},
		{"azure-openai-key", "«hex:32»", []string{
			"AZURE_OPENAI_API_KEY=«s»", "curl https://acme.openai.azure.com/openai/deployments -H \"api-key: «s»\"",
			"AzureOpenAI(azure_endpoint=url, api_key=\"«s»\", api_version=\"2024-10-21\")", "Ocp-Apim-Subscription-Key: «s»",
		}},
		{"ngrok-authtoken", "2«an:26»_«an:21»", []string{
			"ngrok config add-authtoken «s»", "NGROK_AUTHTOKEN=«s»", "version: 3\nagent:\n  authtoken: «s»", "authtoken: \"«s»\"",
		}},
		{"twitter-bearer", "AAAAAAAAAAAAAAAAAAAAA«an:60»%3D«an:30»", []string{
			"TWITTER_BEARER_TOKEN=«s»", "Authorization: Bearer «s»", "tweepy.Client(bearer_token=\"«s»\")", "bearer_token: «s»",
		}},
		{"facebook-token", "EAA«an:160»ZD", []string{
			"FB_PAGE_ACCESS_TOKEN=«s»", "https://graph.facebook.com/v19.0/me?access_token=«s»", "\"access_token\":\"«s»\"", "FACEBOOK_ACCESS_TOKEN: «s»",
		}},
		{"consul-token", "«uuid»", []string{
			"CONSUL_HTTP_TOKEN=«s»", "X-Consul-Token: «s»", "consul kv get -token=«s» config/app", "SecretID:         «s»\nDescription:      Bootstrap Token",
		}},
		{"nomad-token", "«uuid»", []string{
			"NOMAD_TOKEN=«s»", "X-Nomad-Token: «s»", "nomad acl token self -token=«s»", "export NOMAD_TOKEN='«s»'",
		}},
		{"vault-unseal-key", "«b64:43»=", []string{
			"Unseal Key 1: «s»\nUnseal Key 2: «s2»", "vault operator unseal «s»", "\"unseal_keys_b64\": [\"«s»\", \"«s2»\"]", "VAULT_UNSEAL_KEY=«s»",
		}},
		{"django-secret-key", "django-insecure-«ln:50»", []string{
			"SECRET_KEY = '«s»'", "DJANGO_SECRET_KEY=«s»", "+SECRET_KEY = \"«s»\"", "SECRET_KEY: str = \"«s»\"  # settings/prod.py",
		}},
		{"rails-secret-base", "«hex:128»", []string{
			"production:\n  secret_key_base: «s»", "SECRET_KEY_BASE=«s»", "Rails.application.config.secret_key_base = '«s»'", "heroku config:set SECRET_KEY_BASE=«s»",
		}},
		{"rails-master-key", "«hex:32»", []string{
			"RAILS_MASTER_KEY=«s»", "echo «s» > config/master.key", "fly secrets set RAILS_MASTER_KEY=«s»", "RAILS_MASTER_KEY: \"«s»\"",
		}},
		{"laravel-app-key", "«bytes:32»", []string{
			"APP_NAME=Shop\nAPP_ENV=production\nAPP_KEY=base64:«s»\nAPP_DEBUG=false", "APP_KEY: 'base64:«s»'", "-APP_KEY=\n+APP_KEY=base64:«s»", "'key' => env('APP_KEY', 'base64:«s»'),",
		}},
		{"wordpress-salt", "«an:20»^«an:20»=«an:22»", []string{
			"define('AUTH_KEY',         '«s»');\ndefine('SECURE_AUTH_KEY',  '«s2»');", "define( 'NONCE_SALT', '«s»' );",
			"define('LOGGED_IN_KEY', '«s»');", "WORDPRESS_AUTH_KEY=«s»",
		}},
		{"jwt-signing-secret", "«an:48»", []string{
			"JWT_SECRET=«s»", "jwt.sign(payload, '«s»', { expiresIn: '1h' })", "jwt:\n  secret: «s»\n  ttl: 3600", "app.config['JWT_SECRET_KEY'] = '«s»'",
		}},
		{"encryption-key", "«hex:64»", []string{
			"ENCRYPTION_KEY=«s»", "\"encryptionKey\": \"«s»\"", "N8N_ENCRYPTION_KEY=«s»", "encryption_key: «s»", "FIELD_ENCRYPTION_KEY = \"«s»\"",
		}},
		{"ethereum-private-key", "0x«hex:64»", []string{
			"PRIVATE_KEY=«s»", "forge script Deploy --rpc-url $RPC --private-key «s» --broadcast", "accounts: [{ privateKey: \"«s»\", balance }]", "DEPLOYER_PRIVATE_KEY=\"«s»\"",
		}},
		{"bitcoin-wif", "«wif»", []string{
			"bitcoin-cli importprivkey «s» hot false", "wif = \"«s»\"", "BTC_PRIVATE_KEY=«s»", "dumpprivkey gave me «s»",
		}},
		{"totp-seed", "«b32:32»", []string{
			"otpauth://totp/AWS:root@example.com?secret=«s»&issuer=AWS", "TOTP_SECRET=«s»", "oathtool --totp -b «s»", "pyotp.TOTP('«s»').now()", "mfa_secret: «s»",
		}},
		{"kubeadm-token", "«ln:6».«ln:16»", []string{
			"kubeadm join 10.0.0.4:6443 --token «s» --discovery-token-ca-cert-hash sha256:«hex:64»", "kubeadm token create «s»",
			"bootstrapTokens:\n- token: «s»\n  ttl: 24h0m0s", "  bootstrapToken:\n    token: \"«s»\"",
		}},
		{"k3s-token", "K10«hex:64»::server:«hex:32»", []string{
			"curl -sfL https://get.k3s.io | K3S_URL=https://m1:6443 K3S_TOKEN=«s» sh -", "K3S_TOKEN=«s»", "token: «s»\nserver: https://m1:6443", "k3s agent --server https://m1:6443 --token «s»",
		}},
		{"swarm-join-token", "SWMTKN-1-«ln:50»-«ln:25»", []string{
			"docker swarm join --token «s» 10.0.0.7:2377", "To add a worker: docker swarm join --token «s» m1:2377", "SWARM_TOKEN=«s»", "swarm_worker_token: «s»",
		}},
	}
}
