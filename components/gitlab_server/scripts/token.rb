user = User.find_by_username('root')
token = user.personal_access_tokens.create(name: 'auto-devops', scopes: ['api', 'read_repository', 'write_repository'], expires_at: '@EXPIRES@')
token.set_token('@TOKEN@')
token.save!
